"""The exercises of notebook 04, the anatomy of a Keras optimizer."""

import inspect

import numpy as np

from .grading import NotYet, exercise, it_raised, same, short


def _optimizer(answer, **settings):
    """An optimizer of the learner's class, or NotYet."""
    import keras

    if not (inspect.isclass(answer) and issubclass(answer, keras.Optimizer)):
        raise NotYet(f"give the class, a keras.Optimizer; this is {short(answer)}")
    try:
        return answer(**settings)
    except Exception as error:
        given = ", ".join(f"{name}={value}" for name, value in settings.items())
        raise NotYet(it_raised(f"{answer.__name__}({given})", error)) from None


def _after(optimizer, w, gradients):
    """The weights after each gradient was applied, in float64; or NotYet."""
    import keras

    variable = keras.Variable(np.asarray(w, float), dtype="float64")
    path = []
    try:
        for g in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(np.asarray(g, float))], [variable])
            path.append(np.array(keras.ops.convert_to_numpy(variable)))
    except NotImplementedError:
        raise NotYet("there is no update_step yet") from None
    except Exception as error:
        raise NotYet(it_raised("the step", error)) from None
    if all(np.array_equal(place, w) for place in path):
        raise NotYet("the weights did not move: hand the new value to self.assign")
    return path


def _comes_back(optimizer, **settings):
    """NotYet unless the configuration holds the settings and makes the same optimizer again."""
    config = optimizer.get_config()
    for name, value in settings.items():
        if config.get(name) != value:
            raise NotYet(
                f"get_config says {name}={config.get(name)!r} where the constructor was given "
                f"{value!r}: "
                "after loading, training would go on with another one"
            )
    try:
        type(optimizer).from_config(config)
    except Exception as error:
        raise NotYet(it_raised("from_config", error)) from None


@exercise("04.1")
def sign_sgd(answer):
    path = _after(_optimizer(answer, learning_rate=0.125), [1.0, -2.0, 3.0], [[4.0, -0.5, 0.0]] * 2)
    if np.allclose(path[0], [1.125, -2.125, 3.0]):
        raise NotYet("it walks uphill")
    same(
        path[0],
        [0.875, -1.875, 3.0],
        "every coordinate should move by the learning rate, or not at all where g is 0",
    )
    same(path[1], [0.75, -1.75, 3.0], "the second step differs from the first")
    path = _after(_optimizer(answer, learning_rate=0.5), [1.0], [[4.0]])
    same(path[0], [0.5], "the learning rate that it was given makes no difference")
    _comes_back(_optimizer(answer, learning_rate=0.125), learning_rate=0.125)


@exercise("04.2")
def clipped_sgd(answer):
    gradients = [[4.0, -0.5, -8.0]]
    path = _after(_optimizer(answer, learning_rate=0.125, largest=2.0), [1.0, 1.0, 1.0], gradients)
    if np.allclose(path[0], [0.5, 1.0625, 2.0]):
        raise NotYet("nothing was clipped: 4 and -8 should count as 2 and -2")
    same(path[0], [0.75, 1.0625, 1.25], "clip each entry of g to [-largest, largest], then step")
    if _registered_name(answer) == answer.__name__:
        raise NotYet("the class is not registered: a saved model could not find it")
    _comes_back(
        _optimizer(answer, learning_rate=0.125, largest=2.0), largest=2.0, learning_rate=0.125
    )


def _registered_name(cls):
    """The name under which Keras would save the class; the bare name if it is not registered."""
    import keras

    return keras.saving.get_registered_name(cls)
