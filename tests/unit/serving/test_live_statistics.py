"""What live statistics do when champions come and go: they are a memory of tickets, not an opinion of a model."""

from tests.support.tickets import ticket

from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.row import learn
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.tickets.lifecycle import LifecycleEvent, events_of, order_of

NOW_MS = 1_800_000_000_000


def ended(ticket_id: str, at_ms: int) -> list[LifecycleEvent]:
    one = ticket(ticket_id, at_ms, started_at=at_ms + 1, completed_at=at_ms + 60_001, actual_duration_ms=60_000,
                 status="COMPLETED")  # fmt: skip
    return sorted(events_of(one), key=order_of)


def snapshot_of(*events: LifecycleEvent) -> Statistics:
    statistics, binding = Statistics(), FeatureBinding()
    for event in events:
        learn(event, statistics, binding)
    return Statistics.restore(statistics.snapshot())


def test_a_rollback_keeps_what_ended_since_and_a_start_begins_from_who_serves() -> None:
    first, second, third = ended("a", NOW_MS), ended("b", NOW_MS + 100_000), ended("c", NOW_MS + 200_000)
    good, bad = snapshot_of(*first), snapshot_of(*first, *second)
    live, binding = LiveStatistics(), FeatureBinding()
    assert live.begin(good, binding)
    assert live.begin(bad, binding), "a newer snapshot knows more"
    assert [live.learn(event) for event in third] == ["learned"] * len(third)
    assert not live.begin(good, binding), "rolled back: the older snapshot knows less"
    assert all(live.knows(event) for event in (*second, *third))
    assert live.current.as_of_ms == third[-1].at_ms
    # Begun anew, as at a start of the service, from the version that serves: what the bad one brought is gone.
    fresh = LiveStatistics()
    assert fresh.begin(good, binding)
    assert fresh.current.as_of_ms == good.as_of_ms
    assert not any(fresh.knows(event) for event in (*second, *third))
