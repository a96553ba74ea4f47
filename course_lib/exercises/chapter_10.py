"""The exercises of notebook 10, schedules and warm-up."""

import math

import numpy as np

from .grading import NotYet, ask, exercise, numbers, same


@exercise("10.1")
def warmup_cosine(answer):
    for peak, warmup, total in [(0.5, 4, 20), (0.125, 1, 9), (2.0, 10, 30)]:
        for t in [*range(total + 1), total + 7]:
            seen = numbers(ask(answer, t, peak, warmup, total), (), f"the rate at t = {t}")
            if t < warmup:
                if np.allclose(seen, peak * t / warmup):
                    raise NotYet(
                        f"at t = {t} of a warm-up of {warmup} it is {seen:.3g}: the first "
                        "update, t = 0, should move"
                    )
                same(seen, peak * (t + 1) / warmup, f"the climb is wrong at t = {t} of {warmup}")
            elif t >= total:
                if not abs(seen) < 1e-12:
                    raise NotYet(
                        f"at t = {t}, with a total of {total}, the rate should be 0; it is "
                        f"{seen:.3g}"
                    )
            else:
                if t == warmup and not np.allclose(seen, peak):
                    raise NotYet(
                        f"the cosine should start at the peak, at t = {warmup}; there it is "
                        f"{seen:.3g} of {peak:.3g}"
                    )
                part = (t - warmup) / (total - warmup)
                same(
                    seen,
                    peak / 2 * (1 + np.cos(np.pi * part)),
                    f"at t = {t} the cosine has gone through {t - warmup} of its "
                    f"{total - warmup} updates",
                )


@exercise("10.2")
def decay_steps_for(answer):
    cases = [
        (1797, 150, 10, {}),
        (1800, 150, 10, {}),
        (112, 16, 6, {"gradient_accumulation_steps": 3}),
        (112, 16, 6, {"soft_steps": 3}),
        (100, 16, 3, {"soft_steps": 2}),
        (100, 16, 3, {"gradient_accumulation_steps": 2}),
    ]
    for examples, batch_size, epochs, how in cases:
        seen = numbers(ask(answer, examples, batch_size, epochs, **how), (), "the number of steps")
        batches = math.ceil(examples / batch_size)
        expected = batches * epochs // how.get("soft_steps", 1)
        if seen == expected:
            continue
        given = f"{examples} examples in batches of {batch_size}, {epochs} epochs"
        if seen == epochs:
            raise NotYet("that is the number of epochs: a schedule counts updates")
        if seen == examples // batch_size * epochs and not how:
            raise NotYet(f"{given}: the last, smaller batch is an update too")
        if (
            "gradient_accumulation_steps" in how
            and seen == batches * epochs // how["gradient_accumulation_steps"]
        ):
            raise NotYet(
                "with gradient_accumulation_steps Keras's schedule counts micro-batches: do not "
                "divide"
            )
        if "soft_steps" in how and seen == batches // how["soft_steps"] * epochs:
            raise NotYet(
                f"{given}, {how['soft_steps']} to an update: what is left over is not lost"
            )
        if "soft_steps" in how and seen == batches * epochs:
            raise NotYet("under SoftBatch the schedule counts updates, not micro-batches")
        told = "".join(f", {name}={value}" for name, value in how.items())
        raise NotYet(
            f"{given}{told}: it says {seen:g}, which is not how often the schedule is asked"
        )


@exercise("10.3")
def radam_as_schedule(answer):
    def rectified(t, beta_2):
        rho_inf = 2 / (1 - beta_2) - 1
        rho = rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)
        if rho <= 4:
            return 0.0
        return math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))

    for beta_2 in (0.999, 0.875, 0.5):
        for t in (*range(12), 100):
            seen = numbers(ask(answer, t, 0.5, beta_2), (), f"the rate at t = {t}")
            expected = 0.5 * rectified(t + 1, beta_2)
            if np.isclose(seen, expected, rtol=1e-7, atol=1e-9):
                continue
            if expected == 0 and seen:
                raise NotYet(
                    f"at t = {t}, beta_2 = {beta_2}, rho is not above 4 yet: stand still, with a "
                    "rate of 0"
                )
            if seen == 0:
                raise NotYet(
                    f"at t = {t} it stands still: that is update number {t + 1}, and there rho "
                    "is above 4"
                )
            if np.isclose(seen, rectified(t + 1, beta_2)):
                raise NotYet("that is r: the rate is learning_rate times r")
            raise NotYet(f"at t = {t} with beta_2 = {beta_2} the rate should be {expected:.4g}")
