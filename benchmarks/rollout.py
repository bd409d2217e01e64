"""Challengers made worse on purpose, in ways that the offline gate cannot see: when they are caught, and who was affected.

    python -m benchmarks.rollout [--json FILE]

A real guard-agents process answers generated tickets, 25 at a time, and a look at the rollout follows each. The bad models
pass every check (digest, format, golden rows made anew): what they do wrong shows on live tickets only. In shadow nobody is
affected; sent live at once, as ROLLOUT_MODE=direct does, each answer of the bad version until the rollback counts.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table
from tests.support.served import served
from tests.support.trained import MONDAY_MS, anomaly_candidate

from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import CHALLENGER, CHAMPION, PREDICTIONS, RETRAINING_ACTOR, SHADOW_PREDICTIONS
from neural_hive_ml.evaluation.records import EVALUATION_FILE, judgement_bytes
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.promotion import challenge, promote
from neural_hive_ml.rollout.check import Checked, Desk, check_model
from neural_hive_ml.rollout.policy import Policy
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.generator import GeneratorPlan, generate
from neural_hive_ml.tickets.ticket import Ticket

BATCH = 25
MOST = 1_500
# Looks a day at the default ROLLOUT_CHECK_MINUTES, and tickets a day, for the last column.
LOOKS, TICKETS = 96, 2_000
Spoil = Callable[[PackedModel], PackedModel]


@dataclass(frozen=True, slots=True)
class Row:
    """One model, one way to go live; `affected` answers were the bad version's."""

    id: str
    way: str
    model: str
    decision: str
    predictions: int
    affected: int
    seconds: float
    affected_at_default: int
    reason: str


def thresholds(value: float) -> Spoil:
    """A threshold that does not fit the scores."""

    def spoil(model: PackedModel) -> PackedModel:
        return replace(
            model, policy={**model.policy, "thresholds": dict.fromkeys(model.policy["thresholds"], value)}
        )

    return spoil


def curve(model: PackedModel) -> PackedModel:
    """A calibration of another scale: every score near 1."""
    moved = {k: v + np.array([0.0, 8.0]) for k, v in model.arrays.items() if k.endswith(".curve")}
    return _golden_anew(replace(model, arrays={**model.arrays, **moved}))


def _golden_anew(model: PackedModel) -> PackedModel:
    expected = load_scorer(model).reproduce(model.golden.rows)
    return replace(model, golden=replace(model.golden, expected=expected))


WAYS: Mapping[str, tuple[str, Spoil]] = {
    "flood": ("threshold of another scale: flags most tickets", thresholds(0.001)),
    "silent": ("threshold of another scale: flags none", thresholds(1.0)),
    "curve": ("calibration of another scale: scores near 1", curve),
    "sound": ("control: the champion's twin", lambda model: replace(model, lineage={**model.lineage, "seed": 7})),
}


@dataclass(slots=True)
class World:
    """The service, its stores, and the tickets that it has not been asked about yet."""

    http: httpx.Client
    registry: MemoryRegistry
    state: EmbeddedStateStore
    desk: Desk
    tickets: Iterator[Ticket]
    name: str
    answered: dict[int, int] = field(default_factory=dict)

    def register(self, model: PackedModel) -> int:
        """Register a version as one that won the gate."""
        made, verdict = anomaly_candidate(), Verdict(Outcome.PROMOTE, ("won the gate",))
        files = {EVALUATION_FILE: judgement_bytes(made.evaluation, verdict)}
        return self.registry.register(model, made.evaluation, verdict, files).version

    def ask(self) -> None:
        """Ask about a batch, and wait until answers and shadow are on record."""
        body = b",".join(encode_ticket(t) for t in islice(self.tickets, BATCH))
        said = self.http.post("/api/v1/tickets/score/batch", content=b'{"tickets": [' + body + b"]}").json()
        for one in said["results"]:
            self.answered[one["model_version"]] = self.answered.get(one["model_version"], 0) + 1
        total = sum(self.answered.values())
        _until(lambda: self.state.count(PREDICTIONS) >= total)

    def shadowed(self, version: int) -> int:
        """Return how often a challenger has judged."""
        return self.state.count(SHADOW_PREDICTIONS, where={"model_version": version})

    def refresh(self) -> None:
        """Let the service look at its source."""
        self.http.post("/api/v1/model/refresh").raise_for_status()

    def look(self) -> Checked:
        """Look at the rollout."""
        found = check_model(self.desk, self.name)
        assert found is not None
        return found


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for; exit code 1 when a bad model got through."""
    with TemporaryDirectory() as folder, world_in(Path(folder)) as world:
        rows = [row for way in WAYS for row in (in_shadow(world, way), *live_at_once(world, way))]
    table = Table(title=f"Bad challengers ({BATCH} tickets between two looks)")
    for heading in ("id", "way", "model", "decision", "predictions", "affected", "seconds",
                    f"affected at {TICKETS:,} a day, looks every {1440 // LOOKS} min", "reason"):  # fmt: skip
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(f"{v:.1f}" if isinstance(v, float) else str(v) for v in asdict(row).values()))
    Console(width=180).print(table)
    if "--json" in arguments:
        file = Path(arguments[arguments.index("--json") + 1])
        file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    wrong = [r for r in rows if r.decision not in {"abort", "rollback"} and not r.id.endswith(".sound")]
    return 1 if wrong else 0


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    """Run a service whose champion was promoted by the job and has answered 400 tickets."""
    made, registry = anomaly_candidate(), MemoryRegistry(folder)
    state = EmbeddedStateStore(folder / "state.db")
    desk = Desk(state, registry, Ledger(state), SystemClock(), Policy(least_hours=0.0))
    # The same world, days later.
    plan = GeneratorPlan(seed=5, start_ms=MONDAY_MS, per_hour=6.0, tasks=12, owners=4)
    tickets = islice(generate(plan), 1_600, None)
    with (
        served(folder, "guard-agents", HIVE_MODEL_REFRESH_SECONDS="3600") as (address, _),
        httpx.Client(base_url=address, timeout=60) as http,
    ):
        world = World(http, registry, state, desk, tickets, made.model.name)
        _crown(world, world.register(made.model))
        _until(lambda: http.get("/health").json()["ready"])
        while sum(world.answered.values()) < 400:
            world.ask()
        yield world
    state.close()


def in_shadow(world: World, way: str) -> Row:
    """Let a model run in shadow until it is decided about."""
    _, spoil = WAYS[way]
    version = world.register(spoil(anomaly_candidate().model))
    challenge(
        world.registry, world.state, world.name, version, actor=RETRAINING_ACTOR, reason="won the gate",
        at_ms=SystemClock().now_ms(),
    )  # fmt: skip
    world.refresh()
    began, asked = time.monotonic(), 0
    while asked < MOST:
        world.ask()
        asked += BATCH
        _until(lambda asked=asked: world.shadowed(version) >= asked)  # type: ignore[misc] - bound now
        found = world.look()
        if found.done:
            break
    seconds = time.monotonic() - began
    world.refresh()
    return _row(world, way, "shadow", version, found, asked, seconds)


def live_at_once(world: World, way: str) -> list[Row]:
    """Send a model live at once, until it is rolled back; nothing for the control, which shadow has just promoted."""
    _, spoil = WAYS[way]
    if way == "sound":
        return []
    version = world.register(replace(spoil(anomaly_candidate().model), lineage={"seed": len(way)}))
    _crown(world, version)
    began, asked = time.monotonic(), 0
    while asked < MOST:
        world.ask()
        asked += BATCH
        found = world.look()
        if found.done:
            break
    world.refresh()
    return [_row(world, way, "direct", version, found, asked, time.monotonic() - began)]


def _crown(world: World, version: int) -> None:
    promote(
        world.registry, world.state, world.registry.version(world.name, version), actor=RETRAINING_ACTOR,
        reason="won the gate", at_ms=SystemClock().now_ms(),
    )  # fmt: skip
    if world.answered:
        world.refresh()


def _row(world: World, way: str, how: str, version: int, found: Checked, asked: int, seconds: float) -> Row:
    affected = world.answered.get(version, 0)
    # Between two looks at the default pace go on average that many tickets more.
    late = round(affected + TICKETS / LOOKS) if affected else 0
    held = {alias: world.registry.resolve(world.name, alias) for alias in (CHAMPION, CHALLENGER)}
    assert held[CHALLENGER] is None or not found.done
    return Row(
        f"rollout.{how}.{way}", how, WAYS[way][0], found.decision.action if found.done else "undecided", asked,
        affected, seconds, late, found.decision.reasons[0],
    )  # fmt: skip


def _until(condition: Callable[[], Any]) -> None:
    give_up = time.monotonic() + 120
    while not _holds(condition):
        if time.monotonic() > give_up:
            raise RuntimeError("what was waited for did not come")
        time.sleep(0.02)


def _holds(condition: Callable[[], Any]) -> bool:
    try:
        return bool(condition())
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
