"""What of a list is asked in every run of the tests; the rest is thorough."""

import pytest


def mostly_thorough(values, daily):
    """`values` for pytest.mark.parametrize: those that are not in `daily` need --thorough."""
    values = list(values)
    missing = set(daily) - set(values)
    assert not missing, f"not among the values: {sorted(missing)}"
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else [value]),
            marks=() if value in daily else pytest.mark.thorough,
        )
        for value in values
    ]
