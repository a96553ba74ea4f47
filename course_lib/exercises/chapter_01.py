"""The exercises of notebook 01, models are references."""

from .grading import NotYet, ask, exercise, short


@exercise("01.1")
def make_model(answer):
    from course_lib.models import fingerprint, who_shares

    one, same_seed, other = (_model(ask(answer, seed), "make_model(seed)") for seed in (0, 0, 1))
    if one is same_seed or who_shares(one, same_seed):
        shared = who_shares(one, same_seed)
        raise NotYet(
            f"two calls gave models that share {shared}: make every layer inside the function"
        )
    if fingerprint(one) != fingerprint(same_seed):
        raise NotYet(
            "two calls with the same seed gave different weights: use the seed before layers are "
            "made"
        )
    if fingerprint(one) == fingerprint(other):
        raise NotYet("seeds 0 and 1 gave the same weights: let the seed decide")


@exercise("01.2")
def independent_copy(answer):
    from course_lib.models import fingerprint, who_shares

    import keras

    original = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    before = fingerprint(original)
    copy = _model(ask(answer, original), "the copy")
    if who_shares(original, copy):
        raise NotYet(f"the copy shares {who_shares(original, copy)} with the original")
    if fingerprint(original) != before:
        raise NotYet("the original's weights changed")
    if fingerprint(copy) != before:
        raise NotYet("the copy has weights of its own: same layers, other numbers")


def _model(answer, what):
    import keras

    if not isinstance(answer, keras.Model) or not answer.weights:
        raise NotYet(f"{what} should be a Keras model that is built; it is {short(answer)}")
    return answer
