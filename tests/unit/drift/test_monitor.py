"""One check of each family's champion over a real store, and a reference that an operator renews."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tests.support.registry import verdict
from tests.support.trained import (
    NEW_YEAR_2013_MS,
    flights,
    flights_anomaly_candidate,
    flights_duration_candidate,
    flights_load_candidate,
    request,
    timed_flights,
)

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import CHAMPION, DRIFT_RECORDS
from neural_hive_ml.drift.monitor import check_champions, check_model, reference_days, update_reference
from neural_hive_ml.drift.report import DriftStatus
from neural_hive_ml.drift.subject import Subject, subject_of
from neural_hive_ml.evaluation.load_profile import LoadProfile
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.anomaly import train_anomaly
from neural_hive_ml.training.duration import train_duration
from neural_hive_ml.training.load import train_load
from neural_hive_ml.training.request import Candidate

NOW_MS = NEW_YEAR_2013_MS + 38 * DAY_MS
BUSIER_MS = NOW_MS - 2 * DAY_MS
# So long that a hold-out, of which a model's answers are the reference, shows more than a few quiet windows.
LONG_DAYS = 120
LATE_MS = NEW_YEAR_2013_MS + (LONG_DAYS - 2) * DAY_MS
SLOWER_MS = LATE_MS - 5 * DAY_MS
ANSWERS = {"load_forecast", "load_residual", "load_residual_shape"}
EARLY_MS = NEW_YEAR_2013_MS + 28 * DAY_MS


@cache
def early_load_candidate() -> Candidate:
    """A load predictor that knows the first four weeks only, of which it learned twenty days."""
    columns = columns_of(tuple(t for t in flights() if t.created_at < EARLY_MS))
    asked = request("load", columns, algorithm="seasonal_mean", horizon_minutes=360)
    return train_load(columns, replace(asked, as_of_ms=EARLY_MS))


@cache
def timed_candidate(family: str) -> Candidate:
    """A detector or scheduling predictor of flights that take each task its own time."""
    columns = columns_of(tuple(t for t in timed_flights(SLOWER_MS, days=LONG_DAYS) if t.created_at < SLOWER_MS))
    return (train_anomaly if family == "anomaly" else train_duration)(columns, request(family, columns))


def many(tickets: tuple[Ticket, ...], times: int) -> Iterator[Ticket]:
    """Each flight since the change flies several times."""
    yield from tickets
    for t in tickets:
        if t.created_at >= BUSIER_MS:
            yield from (replace(t, ticket_id=f"{t.ticket_id}-{again}") for again in range(1, times))


@contextmanager
def store_of(folder: Path, tickets: Iterable[Ticket]) -> Iterator[EmbeddedTicketStore]:
    store = EmbeddedTicketStore(folder)
    store.upsert(tickets)
    yield store
    store.close()


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTicketStore]:
    with store_of(tmp_path_factory.mktemp("unchanged"), flights()) as store:
        yield store


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTicketStore]:
    with store_of(tmp_path_factory.mktemp("slower"), timed_flights(SLOWER_MS, 2.0, LONG_DAYS)) as store:
        yield store


@pytest.fixture(scope="module")
def busier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTicketStore]:
    with store_of(tmp_path_factory.mktemp("busier"), many(flights(), 5)) as store:
        yield store


class Desk:
    """A registry with a champion, and a state store."""

    def __init__(self, folder: Path) -> None:
        self.registry = MemoryRegistry(folder / "registry")
        self.state = EmbeddedStateStore(folder / "state.db")

    def champion(self, candidate: Candidate) -> Subject:
        found = self.registry.register(candidate.model, candidate.evaluation, verdict(), {})
        self.registry.move_alias(found.name, CHAMPION, found.version)
        return self.subject(found.name)

    def subject(self, name: str) -> Subject:
        version = self.registry.resolve(name, CHAMPION)
        assert version is not None
        return subject_of(self.registry, self.state, version)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.state.close()


@pytest.mark.parametrize(
    ("candidate", "answers"),
    [
        (flights_anomaly_candidate, {"prediction"}),
        (flights_duration_candidate, {"prediction", "residual"}),
        (lambda: flights_load_candidate(60), ANSWERS),
        (lambda: flights_load_candidate(1440), ANSWERS),
    ],
    ids=["anomaly", "scheduling", "load-60m", "load-1440m"],
)
def test_unchanged_flights_are_no_drift_and_the_models_answers_are_judged(
    desk: Desk, unchanged: EmbeddedTicketStore, candidate: Callable[[], Candidate], answers: set[str]
) -> None:
    report = check_model(desk.champion(candidate()), unchanged, NOW_MS, 24)
    assert report.status is DriftStatus.OK, report.reasons
    assert {f.name for f in report.features} >= answers
    assert report.lasting_score is None
    assert report.until_ms == NOW_MS


@pytest.mark.parametrize("family", ["anomaly", "scheduling"])
def test_flights_twice_as_long_are_drift_and_seen_in_the_models_answers(
    desk: Desk, slower: EmbeddedTicketStore, family: str
) -> None:
    report = check_model(desk.champion(timed_candidate(family)), slower, LATE_MS, 96)
    assert report.drift_detected
    assert "log_duration" in {f.name for f in report.drifted}
    told = {f.name: f for f in report.features}
    if family == "anomaly":
        assert told["prediction"].drifted
    else:
        residual = told["residual"]
        assert residual.reference is not None
        assert residual.current is not None
        # Less than log 2: what the model knows of each task's own time follows within the window.
        assert residual.current - residual.reference > 0.1


def test_a_day_of_few_tickets_is_widened_and_says_so(desk: Desk, unchanged: EmbeddedTicketStore) -> None:
    report = check_model(desk.champion(flights_duration_candidate()), unchanged, NOW_MS, 24)
    assert report.rows >= 200
    assert report.until_ms - report.from_ms > DAY_MS
    assert any("widened to" in reason for reason in report.reasons)


@pytest.mark.parametrize("horizon_minutes", [60, 360, 1440])
def test_five_times_the_load_is_drift_that_lasts(
    desk: Desk, busier: EmbeddedTicketStore, horizon_minutes: int
) -> None:
    # A moment within an hour, in the night: whole hours are judged, and as many of them.
    as_of_ms = NOW_MS + 4 * HOUR_MS + 20 * 60_000
    report = check_model(desk.champion(flights_load_candidate(horizon_minutes)), busier, as_of_ms, 24)
    assert report.drift_detected
    assert "load_level" in {f.name for f in report.drifted}
    assert (report.from_ms, report.until_ms) == (
        as_of_ms // HOUR_MS * HOUR_MS - DAY_MS,
        as_of_ms // HOUR_MS * HOUR_MS,
    )
    assert report.lasting_score is not None
    assert report.lasting_score > 0.2


def test_days_after_the_last_ticket_are_drift_of_the_load_and_no_answer_of_the_others(
    desk: Desk, unchanged: EmbeddedTicketStore
) -> None:
    late_ms = NOW_MS + 12 * DAY_MS
    load = check_model(desk.champion(flights_load_candidate(60)), unchanged, late_ms, 24)
    assert load.drift_detected
    assert load.drifted[0].current == 0.0
    durations = check_model(desk.champion(flights_duration_candidate()), unchanged, late_ms, 24)
    assert durations.status is DriftStatus.INSUFFICIENT_DATA


def test_hours_that_a_model_learned_from_are_no_residuals(desk: Desk, unchanged: EmbeddedTicketStore) -> None:
    subject = desk.champion(early_load_candidate())
    learned_until = int(subject.model.lineage["learned_until_ms"])
    assert EARLY_MS - 9 * DAY_MS < learned_until < EARLY_MS - 7 * DAY_MS
    assert isinstance(subject.profile, LoadProfile)
    assert subject.profile.answers is not None
    assert subject.profile.answers.from_ms == learned_until
    before = check_model(subject, unchanged, learned_until, 24)
    assert not ANSWERS & {f.name for f in before.features}
    assert any("forecasts not judged" in reason for reason in before.reasons)
    after = check_model(subject, unchanged, learned_until + DAY_MS, 24)
    assert {f.name for f in after.features} >= ANSWERS


def test_a_renewed_reference_knows_the_newest_answers_and_no_learned_ones(
    desk: Desk, unchanged: EmbeddedTicketStore
) -> None:
    subject = desk.champion(early_load_candidate())
    days = reference_days(subject)
    document = update_reference(subject, unchanged, desk.state, as_of_ms=NOW_MS, days=days, actor="operator ana")
    assert document["actor"] == "operator ana"
    renewed = desk.subject(subject.name)
    assert renewed.refreshed_at_ms == NOW_MS
    assert isinstance(renewed.profile, LoadProfile)
    assert (renewed.profile.from_ms, renewed.profile.until_ms) == (NOW_MS - 28 * DAY_MS, NOW_MS)
    answers = renewed.profile.answers
    assert answers is not None
    assert answers.from_ms == subject.model.lineage["learned_until_ms"]
    assert answers.until_ms == NOW_MS
    report = check_model(renewed, unchanged, NOW_MS + DAY_MS, 24)
    assert report.status is DriftStatus.OK, report.reasons
    assert {f.name for f in report.features} >= ANSWERS


def test_a_young_store_renews_a_reference_from_what_it_has(desk: Desk, tmp_path: Path) -> None:
    subject = desk.champion(early_load_candidate())
    young = (t for t in flights() if t.created_at >= NOW_MS - 20 * DAY_MS)
    with store_of(tmp_path / "young", young) as store:
        update_reference(subject, store, desk.state, as_of_ms=NOW_MS, days=28, actor="operator ana")
    profile = desk.subject(subject.name).profile
    assert isinstance(profile, LoadProfile)
    # Hours before the first ticket are not known: as many a day as there are, not fewer.
    assert 19 * 24 <= profile.hours.sum() <= 20 * 24
    assert isinstance(subject.profile, LoadProfile)
    assert profile.rate.mean() == pytest.approx(subject.profile.rate.mean(), rel=0.15)


def test_a_reference_of_durations_is_renewed_with_unseen_answers_only(
    desk: Desk, unchanged: EmbeddedTicketStore
) -> None:
    subject = desk.champion(flights_duration_candidate())
    update_reference(subject, unchanged, desk.state, as_of_ms=NOW_MS, days=28, actor="operator ana")
    profile = desk.subject(subject.name).profile
    assert not isinstance(profile, LoadProfile)
    assert profile.answers is None  # the model had learned until after these tickets
    assert profile.rows > 2_000


def test_checks_are_kept_and_a_model_without_a_champion_says_so(
    desk: Desk, unchanged: EmbeddedTicketStore
) -> None:
    subject = desk.champion(flights_load_candidate(60))
    names = (subject.name, "load-predictor-360m")
    checked = check_champions(
        unchanged, desk.state, desk.registry, as_of_ms=NOW_MS + 3 * HOUR_MS, window_hours=24, threshold=0.2,
        names=names,
    )  # fmt: skip
    assert [c.name for c in checked] == list(names)
    assert checked[1].report.status is DriftStatus.INSUFFICIENT_DATA
    assert checked[1].report.reasons == ("no champion yet",)
    (record,) = desk.state.find(DRIFT_RECORDS)
    told = {f["name"] for f in record.document["features"]}
    assert told == {"load_level", "load_shape", *ANSWERS}
    assert record.document["model_name"] == subject.name
