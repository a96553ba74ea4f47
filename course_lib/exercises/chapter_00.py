"""The exercises of notebook 00, start here."""

from .grading import NotYet, ask, exercise, numbers, same


@exercise("00.1")
def step_downhill(answer):
    for w, learning_rate in [(3.0, 0.25), (-2.0, 0.125), (0.0, 0.5)]:
        seen = numbers(ask(answer, w, learning_rate), (), "the new w")
        if w and abs(seen) > abs(w):
            raise NotYet(
                f"from w = {w:g} it went uphill, to {seen:g}: which way does the slope point?"
            )
        hint = (
            f"from w = {w:g} with learning rate {learning_rate:g} it went to {seen:g}; "
            "the slope of w² is 2w"
        )
        same(seen, w - learning_rate * 2 * w, hint)
