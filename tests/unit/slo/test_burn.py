"""Burn-rate arithmetic against first principles: an alert is refused exactly when a total outage cannot set it off."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neural_hive_ml.slo.burn import (
    PAIRS,
    UnreachableAlert,
    WindowPair,
    ceiling,
    fewest_events,
    hours_to_exhaustion,
    require_reachable,
)
from neural_hive_ml.slo.durations import expand, scaled, seconds_of

objectives = st.floats(0.01, 0.9999)


@pytest.mark.parametrize(("pair", "factor"), list(zip(PAIRS, (14.4, 6, 3, 1), strict=True)))
def test_factors_are_those_of_the_workbooks_table(pair: WindowPair, factor: float):
    assert pair.factor("30d") == pytest.approx(factor)


@given(objective=objectives, pair=st.sampled_from(PAIRS), period=st.sampled_from(["7d", "28d", "30d"]))
def test_an_alert_is_refused_exactly_when_a_total_outage_cannot_set_it_off(objective, pair, period):
    outage_burns = 1.0 / (1 - objective)
    assume(abs(outage_burns - pair.factor(period)) > 1e-9)
    if outage_burns > pair.factor(period):
        assert require_reachable("x", objective, pair, period) == pair.factor(period)
    else:
        with pytest.raises(UnreachableAlert, match=f"can never burn faster than {ceiling(objective):.4g}"):
            require_reachable("x", objective, pair, period)


@given(objective=st.floats(0.5, 0.999), factor=st.floats(1, 15), events=st.integers(1, 10_000))
def test_one_bad_event_among_few_enough_sets_an_alert_off_and_among_more_does_not(objective, factor, events):
    burn = (1 / events) / (1 - objective)
    assume(abs(events - fewest_events(factor, objective)) > 1e-6)
    assert (burn > factor) == (events < fewest_events(factor, objective))


@given(remaining=st.floats(0, 1), rate=st.floats(0.01, 100))
def test_a_budget_lasts_until_its_rate_has_spent_it(remaining, rate):
    hours = hours_to_exhaustion(remaining, rate, "30d")
    assert hours * rate / (30 * 24) == pytest.approx(remaining)


def test_a_budget_that_does_not_burn_lasts_for_ever_and_a_spent_one_not_at_all():
    assert hours_to_exhaustion(0.5, 0, "30d") == float("inf")
    assert hours_to_exhaustion(-0.2, 3, "30d") == 0


@given(number=st.integers(1, 400), unit=st.sampled_from("smhdw"), scale=st.floats(1, 5000))
def test_scaled_durations_are_as_much_shorter_to_the_millisecond(number, unit, scale):
    text = scaled(f"{number}{unit}", scale)
    assert text[:-2].isdigit() or text[:-1].isdigit()
    seconds = int(text[:-2]) / 1000 if text.endswith("ms") else seconds_of(text)
    assert seconds == pytest.approx(seconds_of(f"{number}{unit}") / scale, abs=0.001)


def test_placeholders_become_durations_or_numbers_and_other_dollars_stay():
    assert expand('label_replace(x[$3d], "a", "$1", "b", "(.*)") > $1h_s', 60) == (
        'label_replace(x[4320s], "a", "$1", "b", "(.*)") > 60'
    )
