"""What PyTorch and optax do with our settings and gradients, in float64; written to twins.json beside this file.

They are no part of the environment: each has a group of its own.  Their paths are kept, so that every run of the tests
compares with them, and a run where the library is installed compares with the library itself.

    uv run --isolated --group torch python tests/twins.py
    uv run --isolated --group jax python tests/twins.py
"""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES

import numpy as np

FILE = Path(__file__).with_name("twins.json")
STEPS, KEPT = 12, (1, 2, 6, 12)


def start_and_gradients():
    """Weights of shape (4, 3) and STEPS gradients: large, small and exactly zero ones, in turns."""
    rng = np.random.default_rng(7)
    sizes = np.resize([1.0, 0.0625, 4.0, 0.0, 0.25], STEPS)
    return rng.normal(size=(4, 3)), [size * rng.normal(size=(4, 3)) for size in sizes]


def torch_path(make):
    """Weights after each step of the torch.optim.Optimizer that `make([parameter])` makes."""
    import torch

    torch.set_default_dtype(torch.float64)  # or else NAdam keeps its product in float32
    w, gradients = start_and_gradients()
    parameter = torch.nn.Parameter(torch.tensor(w))
    optimizer, path = make([parameter]), []
    for g in gradients:
        parameter.grad = torch.tensor(g)
        optimizer.step()
        path.append(parameter.detach().numpy().copy())
    return path


def optax_path(make):
    """Weights after each step of the optax transformation that `make()` makes."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    w, gradients = start_and_gradients()
    w, optimizer, path = jax.numpy.asarray(w), make(), []
    state = optimizer.init(w)
    for g in gradients:
        updates, state = optimizer.update(jax.numpy.asarray(g), state, w)
        w = optax.apply_updates(w, updates)
        path.append(np.asarray(w))
    return path


def in_torch(name, s):
    """The torch.optim class that tells the rule `name`, given its settings s: a function of the parameters; or None."""
    from torch import optim

    lr, eps = s["learning_rate"], s.get("epsilon")
    betas = s.get("beta_1"), s.get("beta_2")
    rms = dict(alpha=s.get("rho"), eps=eps, momentum=s.get("momentum"))
    makers = {
        "sgd": lambda w: optim.SGD(w, lr),
        "momentum": lambda w: optim.SGD(w, lr, s["momentum"]),
        "nesterov": lambda w: optim.SGD(w, lr, s["momentum"], nesterov=True),
        "adagrad": lambda w: optim.Adagrad(
            w, lr, eps=eps, initial_accumulator_value=s["initial_accumulator_value"]
        ),
        "rmsprop": lambda w: optim.RMSprop(w, lr, **rms),
        "centered_rmsprop": lambda w: optim.RMSprop(w, lr, centered=True, **rms),
        "adadelta": lambda w: optim.Adadelta(w, lr, s["rho"], eps),
        "adam": lambda w: optim.Adam(w, lr, betas, eps),
        "amsgrad": lambda w: optim.Adam(w, lr, betas, eps, amsgrad=True),
        "adamax": lambda w: optim.Adamax(w, lr, betas, eps),
        "nadam": lambda w: optim.NAdam(w, lr, betas, eps),
        "adamw": lambda w: optim.AdamW(w, lr, betas, eps, s["weight_decay"]),
        "radam": lambda w: optim.RAdam(w, lr, betas, eps),
        "adafactor": lambda w: optim.Adafactor(
            w, lr, s["beta_2_decay"], (1e-30, s["epsilon_2"]), max(1.0, s["clip_threshold"])
        ),
        "muon": lambda w: optim.Muon(
            w, lr, s["weight_decay"], s["momentum"], ns_steps=s["ns_steps"]
        ),
    }
    return makers.get(name)


def in_optax(name, s):
    """The optax transformation that tells the rule `name`, given its settings s: a function without arguments; or None."""
    import optax

    lr, eps = s["learning_rate"], s.get("epsilon")
    b1, b2 = s.get("beta_1"), s.get("beta_2")
    rms = dict(decay=s.get("rho"), eps=eps, momentum=s.get("momentum"))
    makers = {
        "sgd": lambda: optax.sgd(lr),
        "momentum": lambda: optax.sgd(lr, s["momentum"]),
        "nesterov": lambda: optax.sgd(lr, s["momentum"], nesterov=True),
        "adagrad": lambda: optax.adagrad(lr, s["initial_accumulator_value"], eps),
        "rmsprop": lambda: optax.rmsprop(lr, **rms),
        "centered_rmsprop": lambda: optax.rmsprop(lr, centered=True, **rms),
        "adadelta": lambda: optax.adadelta(lr, s["rho"], eps),
        "adam": lambda: optax.adam(lr, b1, b2, eps),
        "amsgrad": lambda: optax.amsgrad(lr, b1, b2, eps),
        "adamax": lambda: optax.adamax(lr, b1, b2, eps),
        "nadam": lambda: optax.nadam(lr, b1, b2, eps),
        "yogi": lambda: optax.yogi(lr, b1, b2, eps),
        "adabelief": lambda: optax.adabelief(lr, b1, b2, eps, eps_root=eps),
        "adamw": lambda: optax.adamw(lr, b1, b2, eps, weight_decay=s["weight_decay"]),
        "radam": lambda: optax.radam(lr, b1, b2, eps),
        "schedule_free": lambda: optax.contrib.schedule_free_adamw(
            lr, None, b1, b2, eps, s["weight_decay"]
        ),
        "adafactor": lambda: optax.adafactor(
            lr, 1, -s["beta_2_decay"], clipping_threshold=s["clip_threshold"], eps=s["epsilon_1"]
        ),
        "lars": lambda: optax.lars(
            lr, s["weight_decay"], trust_coefficient=s["trust_coefficient"], momentum=s["momentum"]
        ),
        "lamb": lambda: optax.lamb(lr, b1, b2, eps, weight_decay=s["weight_decay"]),
        "lion": lambda: optax.lion(lr, b1, b2, weight_decay=s["weight_decay"]),
        "muon": lambda: optax.contrib.muon(
            lr, ns_steps=s["ns_steps"], beta=s["momentum"], weight_decay=s["weight_decay"]
        ),
    }
    return makers.get(name)


def paths_of(library):
    """{rule: its weights after KEPT steps} for each rule that the library has, as lists; ImportError without the library."""
    found = {}
    for name, rule in RULES.items():
        make = {"PyTorch": in_torch, "optax": in_optax}[library](name, rule.all_settings)
        if make is not None:
            path = {"PyTorch": torch_path, "optax": optax_path}[library](make)
            found[name] = [path[step - 1].tolist() for step in KEPT]
    return found


def main():
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    for library, package in {"PyTorch": "torch", "optax": "optax"}.items():
        try:
            kept[library] = {"version": version(package), "paths": paths_of(library)}
        except (ImportError, PackageNotFoundError):
            print(f"{library} is not installed: its paths stay as they are")
    beside = FILE.with_suffix(".new")
    beside.write_text(json.dumps(kept, sort_keys=True) + "\n")
    beside.replace(FILE)


if __name__ == "__main__":
    main()
