"""The breaker: opens after failures in a row, lets one caller try, closes on success."""

from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.cache.breaker import Breaker


def breaker(now: list[float]) -> Breaker:
    return Breaker(failures=3, open_seconds=5.0, monotonic=lambda: now[0])


def test_failures_must_come_in_a_row() -> None:
    b = breaker([0.0])
    assert [b.failed(), b.failed(), b.succeeded(), b.failed(), b.failed(), b.failed()] == [False] * 5 + [True]
    assert b.is_open
    assert not b.allows()


def test_one_caller_a_period_tries() -> None:
    now = [0.0]
    b = breaker(now)
    for _ in range(3):
        b.failed()
    now[0] = 5.0
    assert [b.allows() for _ in range(3)] == [True, False, False]
    # It never came back: another may try a period later.
    now[0] = 10.0
    assert b.allows()
    b.failed()
    assert not b.allows()
    now[0] = 15.0
    assert b.allows()
    assert b.succeeded()
    assert b.allows()


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=60))
def test_a_dead_service_is_asked_once_a_period(steps: list[tuple[float, bool]]) -> None:
    """Whatever the history: while open, calls let through lie at least a period apart."""
    now = [0.0]
    b = breaker(now)
    last: float | None = None
    for wait, works in steps:
        now[0] += wait
        was_open = b.is_open
        if not b.allows():
            assert was_open
            continue
        if was_open and last is not None:
            assert now[0] - last >= 5.0
        (b.succeeded if works else b.failed)()
        last = now[0] if b.is_open else None
