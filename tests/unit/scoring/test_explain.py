"""Why, in words that fit the signal: times with units, factors, shares; never another signal's sentence."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.features.spec import INDEX, NAMES
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.explain import factor, span, words_for

MINUTE = math.log1p(60_000.0)
EXPECTED = {
    "slow_run": "took 10 min, 10x the forecast of 1 min, 5x this task's median of 2 min",
    "fast_run": "took 10 min, 10x the forecast of 1 min, 5x this task's median of 2 min",
    "long_wait": "waited 10 min, 10x this task's usual wait of 1 min",
    "near_sla": "took 10 min, 50% of its SLA timeout",
    "excess_retries": "7 retries; this task's mean is 0.5",
    "error_in_success": "completed although it carries an error",
    "strange_capabilities": "asks for capabilities this task does not (1.0% of its tickets)",
    "strange_risk": "carries a risk band this task does not (1.0% of its tickets)",
    "strange_size": "has parameters of another magnitude than this task's (4.6 standard deviations)",
    "strange_hour_for_task": "came at an hour this task does not run",
    "strange_hour_for_owner": "came at an hour this owner does not work",
    "owner_burst": "came in a burst of this owner's tickets (100.0x the hourly rate of its day)",
    "task_burst": "came in a burst of this task's tickets (100.0x the hourly rate of its day)",
    "same_burst": "came in a burst of the very same work (100.0x the hourly rate of its day)",
    **{f"parameter_{k}_high": f"parameter p{k} ({1000 * k:,}) is larger than tickets have" for k in range(1, 9)},
    **{f"parameter_{k}_low": f"parameter p{k} ({1000 * k:,}) is smaller than tickets have" for k in range(1, 9)},
}


def row(**features: float) -> list[float]:
    out = np.zeros(len(NAMES))
    values = {
        "log_duration": math.log1p(600_000), "is_ended": 1.0, "task_median": math.log1p(120_000),
        "task_succeeded": math.log1p(9), "to_sla": math.log(0.5), "log_wait": math.log1p(600_000),
        "excess_wait": math.log1p(600_000) - MINUTE, "log_retries": math.log1p(7),
        "task_retries": math.log1p(0.5), **{f"parameter_{k}": math.log1p(1000 * k) for k in range(1, 9)},
    } | features  # fmt: skip
    for name, value in values.items():
        out[INDEX[name]] = value
    return out.tolist()


@pytest.mark.parametrize("signal", behaviour.SIGNALS, ids=behaviour.NAMES)
def test_each_signal_has_its_own_words(signal: behaviour.Signal) -> None:
    said = words_for(signal, row(), [MINUTE] * 3, math.log(100.0), [f"p{k}" for k in range(1, 9)])
    assert said == EXPECTED[signal.name]


def test_a_running_ticket_has_not_taken_anything_yet() -> None:
    said = words_for(behaviour.SIGNALS[0], row(is_ended=0.0, is_running=1.0), [MINUTE] * 3, 1.0)
    assert said.startswith("has run for 10 min, 10x")


def test_a_task_without_history_is_compared_with_the_forecast_alone() -> None:
    said = words_for(behaviour.SIGNALS[0], row(task_succeeded=0.0), [MINUTE] * 3, 1.0)
    assert said == "took 10 min, 10x the forecast of 1 min"


@given(st.integers(1, 8), st.floats(-40, 40))
def test_a_parameter_without_a_name_goes_by_its_number(slot: int, size: float) -> None:
    signal = next(s for s in behaviour.SIGNALS if s.name == f"parameter_{slot}_low")
    assert words_for(signal, row(**{f"parameter_{slot}": size}), [0.0] * 3, 0.0).startswith(f"parameter {slot} (")


SPANS = {
    0: "0 ms", 999: "999 ms", 1_000: "1 s", 1_500: "1.5 s", 9_960: "10 s", 59_400: "59 s", 59_999: "60 s",
    60_000: "1 min", 3_599_999: "60 min", 7_200_000: "2 h", 172_800_000: "2.0 d", 8_640_000_000: "100.0 d",
}  # fmt: skip


@pytest.mark.parametrize(("ms", "said"), SPANS.items())
def test_spans_have_their_unit(ms: float, said: str) -> None:
    assert span(ms) == said


@given(st.floats(0, 1e13), st.floats(1e-9, 1e13))
def test_no_number_is_too_odd_to_say(ms: float, usual: float) -> None:
    assert "e+" not in span(ms)
    assert factor(ms / usual)
