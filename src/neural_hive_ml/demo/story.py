"""The guide's diagram, once around: history -> training -> Production -> detection -> drift -> retraining -> live."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from neural_hive_ml.automation import desk_of
from neural_hive_ml.bootstrap import open_workspace
from neural_hive_ml.clock import DAY_MS, HOUR_MS, iso, parse_instant
from neural_hive_ml.conventions import CHAMPION, FAMILIES, GUIDE_MODELS
from neural_hive_ml.demo.burst import KINDS, Labelled, make_burst
from neural_hive_ml.demo.service import GuardAgentsClient, guard_agents_running
from neural_hive_ml.demo.shift import Shift, shifted
from neural_hive_ml.flow import ModelResult, Rules, Workspace, train
from neural_hive_ml.retraining.job import CycleResult, run_cycle
from neural_hive_ml.settings import Settings
from neural_hive_ml.tickets.importer import import_tickets
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.request import requests_for

# The history ends here; what comes after is the stream.
TODAY_MS: Final = parse_instant("2013-11-01")
TRAINING_DAYS: Final = 90
QUIET_HOURS: Final = 36
BURST_HOURS: Final = 12
SHIFT_FROM_MS: Final = TODAY_MS + 2 * DAY_MS
SHIFT_UNTIL_MS: Final = SHIFT_FROM_MS + 24 * DAY_MS
SHIFT: Final = Shift(factor=1.7, retried=0.3)
RETRAINING_DAYS: Final = 32
_EACH: Final = 8

Answer = dict[str, Any]
# Announces a step and then says what came of it: say(title) begins one, note(line) adds to it.
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, for the summary and the report."""

    first: tuple[ModelResult, ...]
    quiet: tuple[tuple[Ticket, Answer], ...]
    burst: tuple[tuple[Labelled, Answer], ...]
    cycle: CycleResult
    before: dict[str, int]
    after: dict[str, int]
    live: Answer
    drift_metric: tuple[str, ...]

    @property
    def caught(self) -> int:
        """Injected anomalies of the burst that were flagged."""
        return sum(bool(label.kind) and answer["is_anomaly"] for label, answer in self.burst)

    @property
    def injected(self) -> int:
        """Tickets of the burst that were changed on purpose."""
        return sum(bool(label.kind) for label, _ in self.burst)

    @property
    def false_alarms(self) -> int:
        """Untouched tickets of the burst's hours that were flagged."""
        return sum(not label.kind and answer["is_anomaly"] for label, answer in self.burst)


def run_story(settings: Settings, step: Say, note: Say) -> Story:
    """Run the whole loop in the demo's folder; about a minute and a half on two cores."""
    with open_workspace(settings) as workspace:
        step("history: import the flights of 2013 as execution tickets")
        imported = import_tickets(sample_tickets(until_ms=TODAY_MS), workspace.tickets)
        note(f"{imported.stored:,} tickets until {iso(TODAY_MS)[:10]}")
        step(f"training: five models on the last {TRAINING_DAYS} days, judged on a time-ordered hold-out")
        first = _train(settings, workspace, note)
        before = _production(workspace)
        step("registry: the versions in Production")
        for name, version in before.items():
            note(f"{name} version {version}")
        step("guard-agents: a process of its own loads the Production model")
        with guard_agents_running(settings) as service:
            health = service.health()
            note(f"ready at {service.base_url}: {health['model']['name']} version {health['model']['version']}")
            quiet = _replay(service, workspace, note, step)
            burst = _burst(service, note, step)
            cycle = _shift(settings, workspace, note, step)
            live = _live(service, workspace, before, note, step)
            drift_metric = tuple(
                line
                for line in service.metrics().splitlines()
                if line.startswith(("model_drift_score{", "ml_retraining_events_total{"))
                and not line.endswith(" 0.0")
            )
        return Story(first, quiet, burst, cycle, before, _production(workspace), live, drift_metric)


def _train(settings: Settings, workspace: Workspace, note: Say) -> tuple[ModelResult, ...]:
    # The floors hold; a model that misses one goes live only by this recorded word, and the table says so.
    rules = Rules(settings.text("FLOOR_PROFILE"), promote_if_better=True, allow_below_floor=True, actor="demo")
    requests = requests_for(FAMILIES, as_of_ms=TODAY_MS, window_days=TRAINING_DAYS)
    return train(requests, workspace, rules, note)


def _production(workspace: Workspace) -> dict[str, int]:
    found = {name: workspace.registry.resolve(name, CHAMPION) for name in GUIDE_MODELS}
    return {name: version.version for name, version in found.items() if version is not None}


def _replay(
    service: GuardAgentsClient, workspace: Workspace, note: Say, step: Say
) -> tuple[tuple[Ticket, Answer], ...]:
    step(f"stream: the next {QUIET_HOURS} hours of tickets, scored as they end, learned after")
    stream = list(sample_tickets(TODAY_MS, TODAY_MS + QUIET_HOURS * HOUR_MS))
    workspace.tickets.upsert(stream)
    answers = service.follow(stream)
    flagged = sum(a["is_anomaly"] for _, a in answers)
    note(f"{len(answers):,} scored, {flagged} flagged ({flagged / max(len(answers), 1):.1%})")
    for ticket, answer in _worst(answers, 3):
        note(f"  {ticket.task_id}: {answer['anomaly_type']}: {answer['explanation']}")
    return tuple(answers)


def _burst(service: GuardAgentsClient, note: Say, step: Say) -> tuple[tuple[Labelled, Answer], ...]:
    step("detection: a burst of anomalies, INJECTED on purpose and labelled")
    begin = TODAY_MS + QUIET_HOURS * HOUR_MS
    stream = list(sample_tickets(begin, begin + BURST_HOURS * HOUR_MS))
    labelled = make_burst(stream, _EACH, np.random.default_rng(42))
    kinds = {label.ticket.ticket_id: label for label in labelled}
    answers = tuple((kinds[t.ticket_id], a) for t, a in service.follow([x.ticket for x in labelled]))
    for kind in KINDS:
        mine = [a for label, a in answers if label.kind == kind]
        note(f"{kind}: {sum(a['is_anomaly'] for a in mine)} of {len(mine)} caught")
    rest = [a for label, a in answers if not label.kind]
    note(f"untouched: {sum(a['is_anomaly'] for a in rest)} of {len(rest)} flagged")
    return answers


def _shift(settings: Settings, workspace: Workspace, note: Say, step: Say) -> CycleResult:
    days = (SHIFT_UNTIL_MS - SHIFT_FROM_MS) // DAY_MS
    step(f"drift: the next {days} days run {SHIFT.words}; then the drift job runs")
    quiet = sample_tickets(TODAY_MS + QUIET_HOURS * HOUR_MS, SHIFT_FROM_MS)
    workspace.tickets.upsert(quiet)
    slower = import_tickets(shifted(sample_tickets(SHIFT_FROM_MS, SHIFT_UNTIL_MS), SHIFT), workspace.tickets)
    note(f"{slower.stored:,} slower tickets until {iso(SHIFT_UNTIL_MS)[:10]}")
    short = replace(settings.values["RETRAINING_WINDOW_DAYS"], text=str(RETRAINING_DAYS), origin="demo")
    now = replace(settings, values={**settings.values, "RETRAINING_WINDOW_DAYS": short})
    return run_cycle(desk_of(now, workspace, note), as_of_ms=SHIFT_UNTIL_MS)


def _live(
    service: GuardAgentsClient, workspace: Workspace, before: dict[str, int], note: Say, step: Say
) -> Answer:
    step("live: the services take what was promoted")
    service.refresh()
    service.score(list(sample_tickets(SHIFT_UNTIL_MS - 2 * HOUR_MS, SHIFT_UNTIL_MS)))
    live = service.health()
    for name, version in _production(workspace).items():
        was = before.get(name)
        note(
            f"{name}: " + (f"version {version}, as before" if version == was else f"version {version}, was {was}")
        )
    note(f"guard-agents serves {live['model']['name']} version {live['model']['version']}")
    return live


def _worst(answers: Sequence[tuple[Ticket, Answer]], most: int) -> list[tuple[Ticket, Answer]]:
    flagged = [(t, a) for t, a in answers if a["is_anomaly"]]
    return sorted(flagged, key=lambda pair: -pair[1]["anomaly_score"])[:most]
