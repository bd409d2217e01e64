"""The loop over real parts in memory: what is read, what goes live and why, and what one failure may not do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.memory import assert_same_memory
from tests.support.tickets import flights
from tests.support.trained import generated_tickets

from neural_hive_ml.clock import DAY_MS, FixedClock
from neural_hive_ml.conventions import CHAMPION, JOB_RUNS, STAGE_PRODUCTION
from neural_hive_ml.errors import RegistryUnavailable, StoreUnavailable
from neural_hive_ml.evaluation.verdict import Outcome
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.feedback.verdict import Answer
from neural_hive_ml.flow import ModelResult, Rules, Workspace, read_window, train
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.explain import explain
from neural_hive_ml.registry.alias_record import alias_lease
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.port import ModelVersion
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.tickets.port import TicketWindow
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.request import TrainingRequest

NAME = "scheduling-predictor-xgboost"
NOW_MS = 1_800_000_000_000
LIVE = Rules(floor_profile="relative", promote_if_better=True)


def workspace_of(tickets: Sequence[Ticket], folder: Path) -> Workspace:
    store, state = MemoryTicketStore(), MemoryStateStore()
    store.upsert(tickets)
    return Workspace(store, state, MemoryRegistry(folder), Ledger(state), FixedClock(NOW_MS))


@pytest.fixture
def flown(tmp_path: Path) -> Workspace:
    return workspace_of(flights(3_000), tmp_path)


def asked(workspace: Workspace, family: str = "scheduling", **changes: object) -> TrainingRequest:
    newest = workspace.tickets.extent().newest_event_ms
    assert newest is not None
    plain = TrainingRequest(family, newest + 1, min_samples=500, threads=1)  # type: ignore[arg-type] - a family
    return replace(plain, **changes)


def one(workspace: Workspace, rules: Rules, **changes: object) -> ModelResult:
    (result,) = train([asked(workspace, **changes)], workspace, rules, lambda _line: None)
    return result


def runs(workspace: Workspace) -> list[tuple[str, list[str]]]:
    return [(str(r.document["outcome"]), list(r.document["reasons"])) for r in workspace.state.find(JOB_RUNS)]


def test_a_winner_goes_live_only_where_asked(flown: Workspace) -> None:
    allowed = replace(LIVE, allow_below_floor=True, actor="ana")
    quiet = one(flown, replace(allowed, promote_if_better=False))
    assert (quiet.status, quiet.promoted) == ("judged", False)
    assert quiet.verdict is not None
    assert quiet.verdict.outcome is Outcome.PROMOTE
    assert flown.registry.resolve(NAME, CHAMPION) is None
    loud = one(flown, allowed)
    champion = flown.registry.resolve(NAME, CHAMPION)
    assert champion is not None
    assert loud.promoted
    assert (champion.version, champion.stage) == (2, STAGE_PRODUCTION)
    events = flown.ledger.about(NAME)
    trained = ["data_read", "run", "gate"]
    assert [(e.kind, e.actor) for e in events] == [(k, "ana") for k in (*trained, *trained, "alias")]
    assert loud.candidate is not None
    assert events[3].payload["digest"] == loud.candidate.model.lineage["data_digest"]
    assert (events[3].payload["rows"], events[4].payload["version"]) == (3_000, 2)
    said = [line.text.split("  ", 1)[1] for line in explain(events)]
    assert said[3].startswith(f"{NAME}: read 3000 tickets, digest {events[3].payload['digest'][:12]}")
    assert said[4] == f"{NAME}: trained version 2 (run {champion.run_id})"
    assert [outcome for outcome, _ in runs(flown)] == ["succeeded"], "one record a moment and job"


def test_below_its_floor_a_model_is_registered_but_not_live(flown: Workspace) -> None:
    result = one(flown, LIVE)
    assert (result.status, result.promoted) == ("judged", False)
    assert result.verdict is not None
    assert result.verdict.below_floor
    assert [v.version for v in flown.registry.versions(NAME)] == [1]
    assert flown.registry.resolve(NAME, CHAMPION) is None


def test_allowing_a_missed_floor_allows_nothing_else(tmp_path: Path) -> None:
    """Made-up tickets and a champion that is no worse hold a candidate back, whatever an operator says of floors."""
    made_up = workspace_of(generated_tickets(), tmp_path)
    rules = replace(LIVE, allow_below_floor=True)
    first = one(made_up, rules)
    assert not first.promoted
    assert first.verdict is not None
    assert "synthetic" in first.verdict.reasons[0]
    accepted = one(made_up, replace(rules, allow_synthetic=True))
    assert accepted.promoted
    again = one(made_up, replace(rules, allow_synthetic=True))
    assert again.verdict is not None
    assert (again.promoted, again.verdict.outcome) == (False, Outcome.REJECT)
    assert accepted.candidate is not None
    assert accepted.candidate.model.synthetic


def test_one_failure_stops_no_other(flown: Workspace) -> None:
    said: list[str] = []
    requests = [
        asked(flown, "load", horizon_minutes=60),
        asked(flown, algorithm="arima"),
        asked(flown, min_samples=10_000),
        asked(flown),
    ]
    results = train(requests, flown, Rules(), said.append)
    assert [r.status for r in results] == ["not_enough_data", "failed", "not_enough_data", "judged"]
    assert [bool(r.error) for r in results] == [True, True, True, False]
    assert sum("reading tickets" in line for line in said) == 1, "a window is read once"
    ((outcome, reasons),) = runs(flown)
    assert outcome == "failed"
    assert len(reasons) == 3
    # Why there is no version of it is a decision's reason as well.
    failures = [e for e in flown.ledger.about() if e.kind == "run" and e.payload["version"] is None]
    assert [(e.subject, e.payload["outcome"]) for e in failures] == [
        ("load-predictor-60m", "not_enough_data"),
        ("scheduling-predictor-arima", "failed"),
        (NAME, "not_enough_data"),
    ]
    assert "arima" in explain(failures)[1].text


class Counted(MemoryTicketStore):
    """A store that breaks after some reads."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.left = good

    def blocks(self, window: TicketWindow, block_rows: int = 100_000) -> Iterator[TicketColumns]:
        self.left -= 1
        if self.left < 0:
            raise StoreUnavailable("tickets: no answer in 5 s")
        return super().blocks(window, block_rows)


def test_a_store_that_breaks_later_leaves_what_was_done(flown: Workspace) -> None:
    store = Counted(good=1)
    store.upsert(flights(3_000))
    broken = replace(flown, tickets=store)
    results = train([asked(flown), asked(flown, window_days=30)], broken, Rules(), lambda _line: None)
    assert [r.status for r in results] == ["judged", "unreachable"]
    assert [outcome for outcome, _ in runs(flown)] == ["failed"]


@dataclass
class Gone(MemoryRegistry):
    """A registry that does not answer."""

    def resolve(self, name: str, alias: str) -> ModelVersion | None:
        raise RegistryUnavailable("registry: no answer in 5 s")


def test_an_unreachable_registry_is_known_before_anything_is_trained(flown: Workspace, tmp_path: Path) -> None:
    said: list[str] = []
    results = train([asked(flown), asked(flown)], replace(flown, registry=Gone(tmp_path)), LIVE, said.append)
    assert [r.status for r in results] == ["unreachable", "unreachable"]
    assert not any("tickets to learn from" in line for line in said)
    ((outcome, reasons),) = runs(flown)
    assert outcome == "failed"
    assert all("no answer" in reason for reason in reasons)


def test_someone_else_moving_an_alias_does_not_stop_a_training(flown: Workspace) -> None:
    """The other process mends what it holds; training and judging need no alias of it."""
    said: list[str] = []
    with alias_lease(flown.state, NAME, NOW_MS):
        (result,) = train([asked(flown)], flown, Rules(), said.append)
    assert result.status == "judged"
    assert any(NAME in line and "left to" in line for line in said)


def test_a_window_holds_what_was_known_then(tmp_path: Path) -> None:
    tickets = flights(2_000)
    workspace = workspace_of(tickets, tmp_path)
    at_ms = sorted(t.created_at for t in tickets)[1_500]
    window = read_window(workspace.tickets, at_ms, 1)
    assert 0 < len(window) < 1_500
    assert window.created_at_ms.max() < at_ms
    assert window.created_at_ms.min() >= at_ms - DAY_MS
    assert (window.completed_at_ms <= at_ms).all()
    assert (window.completed_at_ms < 0).any(), "some were still open"


def test_of_many_tickets_the_newest_are_rows_and_the_others_teach(flown: Workspace) -> None:
    said: list[str] = []
    requests = [asked(flown, family, most_tickets=1_500) for family in ("scheduling", "anomaly")]
    first = train(requests, flown, LIVE, said.append)
    assert [r.status for r in first] == ["judged"] * len(requests), [r.error for r in first]
    assert any("tickets to make rows of, after" in line for line in said)
    assert sum("reading tickets" in line for line in said) == 1
    for result in first:
        assert result.candidate is not None
        lineage = result.candidate.model.lineage
        earlier = lineage["earlier"]
        open_still = lineage["tickets"] + earlier["tickets"] - 3_000
        assert 1_500 <= lineage["tickets"] < 2_000
        assert 0 < open_still < 500, "those in the air are in both"
        assert "TRAINING_MOST_TICKETS=1500" in lineage["reproduce"]
    # The statistics know all of them, each event once.
    whole = one(flown, LIVE, most_tickets=3_000)
    assert whole.candidate is not None
    assert "earlier" not in whole.candidate.model.lineage
    mine, theirs = (Statistics.restore(r.candidate.model.statistics) for r in (first[0], whole) if r.candidate)
    assert_same_memory(mine, theirs)


def test_a_champion_answers_the_same_rows_of_a_window_with_too_many(flown: Workspace) -> None:
    allowed = replace(LIVE, allow_below_floor=True)
    assert one(flown, allowed, most_tickets=1_500).promoted
    again = one(flown, allowed, most_tickets=1_500)
    assert again.verdict is not None
    assert again.verdict.outcome is not Outcome.PROMOTE, "the very same model is no better than itself"
    assert "gain" in again.verdict.evidence


def test_synthetic_tickets_among_the_earlier_ones_are_not_forgotten(tmp_path: Path) -> None:
    tickets = sorted(flights(3_000), key=lambda t: t.created_at)
    marked = {**tickets[0].metadata, "synthetic": "true"}
    made = [replace(tickets[0], metadata=marked), *tickets[1:]]
    result = one(workspace_of(made, tmp_path), LIVE, most_tickets=1_500)
    assert result.candidate is not None
    assert result.candidate.model.synthetic
    assert not result.promoted


def test_verdicts_reach_the_training(tmp_path: Path) -> None:
    """From people's answers in the store to labels, to a detector that learned from them."""
    made = workspace_of(generated_tickets(), tmp_path)
    desk = VerdictDesk(made.state, made.ledger, 0.1)
    for n, ticket in enumerate(generated_tickets()[:560]):
        answer: Answer = "anomaly" if ticket.retry_count or n % 6 == 0 else "normal"
        assert ticket.completed_at is not None
        desk.take(answer, author="ana", at_ms=ticket.completed_at, ticket_id=ticket.ticket_id)
    found = one(made, LIVE, family="anomaly", algorithm="learned")
    assert found.status == "judged", found.error
    assert found.candidate is not None
    assert (found.candidate.model.name, found.candidate.model.lineage["verdicts"]) == (
        "anomaly-detector-learned",
        560,
    )


def test_without_verdicts_the_learned_detector_says_how_many_are_missing(tmp_path: Path) -> None:
    made = workspace_of(generated_tickets(), tmp_path)
    found = one(made, LIVE, family="anomaly", algorithm="learned")
    assert found.status == "not_enough_data"
    assert "500 more are needed" in found.error
