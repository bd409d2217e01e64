"""guard-agents under load while what it leans on fails: MLflow, Redis, MongoDB, its disk, the models it is offered.

    python -m benchmarks.chaos [--rate 200] [--seconds 8] [--json FILE]

Real processes: the service, MLflow's server, Redis, the MongoDB stand-in, and the load, which is timed from when each
request was due. A wrong version is an answer by a version that was not the champion at any moment between its request and
itself, or whose threshold is not that version's own (half of a swap). Each fault lasts `--seconds`, then is mended; "whole
again" is how long after that the service says that it is well and its log of predictions has caught up. In the end every
answer must be in the store (`chaos.kept`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.table import Table
from tests.support.faulty_link import Fault, Link, linked
from tests.support.mlflow_server import running_mlflow
from tests.support.ports import free_port
from tests.support.redis_server import running_redis_process
from tests.support.served import served
from tests.support.servers import mongo_answers, mongo_command, running
from tests.support.small_disk import full_disk
from tests.support.steady_load import Answered, steady_load
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.conventions import CHAMPION, PREDICTIONS
from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.sign import Signer, load_signing_key
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.state.mongo import MongoStateStore
from neural_hive_ml.tickets.encode import encode_ticket

SWAPS = 50
STAGE = "created"
WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario: what the requests of its time got."""

    id: str
    fault: str
    requests: int
    per_second: float
    server_errors: int
    unanswered: int
    wrong_versions: int
    degraded: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    note: str = ""


@dataclass(slots=True)
class Reign:
    """A version may answer from when its alias moved until another was surely taken over (epoch seconds)."""

    version: int
    since: float
    until: float = float("inf")


@dataclass(slots=True)
class World:
    """The service under load, its registry, and the links to what it leans on."""

    folder: Path
    http: httpx.Client
    registry: MlflowRegistry
    links: dict[str, Link]
    servers: "dict[str, subprocess.Popen[bytes]]"
    name: str
    seconds: float
    thresholds: dict[int, float] = field(default_factory=dict)
    reigns: list[Reign] = field(default_factory=list)
    spans: list[tuple[str, str, float, float, str]] = field(default_factory=list)

    def crown(self, version: int) -> None:
        """Move the alias as a registry does; the service finds it by itself or by a push."""
        self.reigns.append(Reign(version, time.time()))
        self.registry.move_alias(self.name, CHAMPION, version)

    def taken(self, version: int) -> None:
        """Push, and wait until the version answers: from then on no other may."""
        until(lambda: self._pushed() == version)
        now = time.time()
        for reign in self.reigns[:-1]:
            reign.until = min(reign.until, now)

    def _pushed(self) -> object:
        said = self.http.post("/api/v1/model/refresh").json()
        # While MLflow is slow the push may be answered by its time limit; the look goes on, and is asked for again.
        return said.get("version") if said.get("outcome") != "failed" else None

    @contextmanager
    def span(self, bench: str, fault: str, note: str = "") -> Iterator[list[str]]:
        """Note when a scenario began and ended; the list takes notes."""
        began, notes = time.time(), [note] if note else []
        yield notes
        self.spans.append((bench, fault, began, time.time(), "; ".join(notes)))

    def counted(self, reason: str) -> float:
        """Return how many versions the service refused for a reason."""
        return self._metric(
            f'neural_hive_ml_model_load_errors_total{{model_name="{self.name}",reason="{reason}"}} '
        )

    def whole(self) -> bool:
        """Say whether the service is well, as it says itself, and no more than a second of predictions waits."""
        waits = self._metric('neural_hive_ml_queue_depth{queue="prediction_log"} ')
        down = self._metric('neural_hive_ml_dependency_up{dependency="state"} ') == 0
        return self.http.get("/health").json()["status"] == "ok" and not waits and not down

    def kept(self) -> int:
        """Return how many predictions the store holds."""
        with closing(MongoStateStore(f"mongodb://127.0.0.1:{self.links['MongoDB'].port}", "neural_hive")) as state:
            return state.count(PREDICTIONS)

    def _metric(self, want: str) -> float:
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith(want):
                return float(line.removeprefix(want))
        return 0.0


def main(arguments: list[str]) -> int:
    """Print the table, and write it as JSON when asked for; exit code 1 on a failed request or a wrong version."""

    def given(flag: str, default: str) -> str:
        return arguments[arguments.index(flag) + 1] if flag in arguments else default

    rate, seconds = float(given("--rate", "200")), float(given("--seconds", "8"))
    console = Console(width=170)
    with TemporaryDirectory() as folder:
        rows = run(Path(folder), rate, seconds, console.print)
    table = Table(title=f"guard-agents under {rate:g} requests a second (load average {os.getloadavg()[0]:.1f})")
    headings = (
        "id",
        "fault",
        "requests",
        "a second",
        "5xx",
        "unanswered",
        "wrong",
        "degraded",
        "P50 ms",
        "P99 ms",
        "max ms",
        "note",
    )
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(f"{v:.1f}" if isinstance(v, float) else str(v) for v in asdict(row).values()))
    console.print(table)
    if given("--json", ""):
        Path(given("--json", "")).write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 1 if any(r.server_errors or r.unanswered or r.wrong_versions for r in rows) else 0


def run(folder: Path, rate: float, seconds: float, say: Callable[[str], object]) -> list[Row]:
    """Start everything, go through the scenarios under load, and return what the requests got."""
    made = anomaly_candidate().model
    bodies = [encode_ticket(replace(t, status="PENDING", started_at=None, completed_at=None, actual_duration_ms=None))
              for t in generated_tickets()[-200:]]  # fmt: skip
    with ExitStack() as stack:
        world = _start(stack, folder, made.name, seconds)
        versions = _register(world, folder, made)
        world.registry.move_alias(world.name, CHAMPION, versions["first"])
        world.reigns.append(Reign(versions["first"], 0.0))
        until(lambda: world.http.get("/health").json()["ready"])
        with steady_load(
            folder, str(world.http.base_url), f"/api/v1/tickets/score?stage={STAGE}", bodies, rate
        ) as got:
            time.sleep(3)
            for scenario in (_quiet, _stores, _disk, _bad_models, _swaps, _quiet):
                say(f"{scenario.__name__.strip('_')} ...")
                scenario(world, versions)
            time.sleep(1)
        answered = sum(a.status == 200 for a in got)
        with suppress(RuntimeError):
            until(lambda: world.kept() >= answered, 30)
        kept = world.kept()
    rows = [_row(world, got, *span) for span in world.spans]
    say(f"chaos.kept: {answered:,} answers, {kept:,} predictions in the store, {max(answered - kept, 0)} lost")
    return rows if kept >= answered else [*rows, _lost(answered, kept)]


def _lost(answered: int, kept: int) -> Row:
    note = f"{answered - kept} answers are not in the store"
    return Row("chaos.kept", "all of them", answered, 0.0, 0, answered - kept, 0, 0, 0.0, 0.0, 0.0, note)


def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition. Raises RuntimeError after a time."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > give_up:
            raise RuntimeError("what was waited for did not come")
        time.sleep(0.05)


def _start(stack: ExitStack, folder: Path, name: str, seconds: float) -> World:
    mlflow_uri = stack.enter_context(running_mlflow(folder / "mlflow", seconds=300))
    redis_port, mongo_port = free_port(), free_port()
    redis = stack.enter_context(running_redis_process(folder / "redis", redis_port))
    mongo_folder = folder / "mongo"
    mongo_folder.mkdir()
    mongo = stack.enter_context(
        running(mongo_command(mongo_folder, mongo_port), lambda: mongo_answers(mongo_port), folder / "mongo.log")
    )
    ports = {"MLflow": int(mlflow_uri.rsplit(":", 1)[1]), "Redis": redis_port, "MongoDB": mongo_port}
    links = {which: stack.enter_context(linked(port)) for which, port in ports.items()}
    signer = _signer()
    environment = {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{links['MLflow'].port}",
        "REDIS_URL": f"redis://127.0.0.1:{links['Redis'].port}/0",
        "MONGODB_URI": f"mongodb://127.0.0.1:{links['MongoDB'].port}",
        "FEATURE_CACHE": "true",
        "HIVE_MODEL_REFRESH_SECONDS": "1",
        "HIVE_VERIFY_KEYS": signer.public_pem(),
    }
    address, _ = stack.enter_context(served(folder, "guard-agents", **environment))
    http = stack.enter_context(httpx.Client(base_url=address, timeout=30))
    registry = MlflowRegistry(mlflow_uri, folder / "registry", signer=signer)
    servers = {"Redis": redis.process, "MongoDB": mongo}
    return World(folder, http, registry, links, servers, name, seconds)


def _signer() -> Signer:
    key = Ed25519PrivateKey.generate()
    return load_signing_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _register(world: World, folder: Path, made: PackedModel) -> dict[str, int]:
    """Two good versions that differ in their thresholds, and one of each kind that must be refused."""
    base = float(made.policy["thresholds"][STAGE])
    second = _with_threshold(made, base / 2)
    stranger = MlflowRegistry(world.registry.uri, folder / "registry", signer=_signer())
    golden = replace(made, golden=replace(made.golden, expected=made.golden.expected + 0.01))
    plan: dict[str, tuple[MlflowRegistry, PackedModel]] = {
        "first": (world.registry, made),
        "second": (world.registry, second),
        "digest": (world.registry, _with_threshold(made, base / 3)),
        "signature": (stranger, _with_threshold(made, base / 4)),
        "feature_set": (world.registry, replace(made, feature_set_version="of another time")),
        "golden_rows": (world.registry, golden),
    }
    candidate = anomaly_candidate()
    versions = {}
    for kind, (registry, model) in plan.items():
        known = set(_policies(folder))
        verdict = Verdict(Outcome.PROMOTE, ("for a benchmark",))
        versions[kind] = registry.register(model, candidate.evaluation, verdict, {}).version
        if kind == "digest":
            for file in set(_policies(folder)) - known:
                file.write_bytes(file.read_bytes() + b" ")
    world.thresholds = {versions["first"]: base, versions["second"]: base / 2}
    return versions


def _policies(folder: Path) -> list[Path]:
    return list((folder / "mlflow").rglob("policy.json"))


def _with_threshold(made: PackedModel, value: float) -> PackedModel:
    return replace(made, policy={**made.policy, "thresholds": {**made.policy["thresholds"], STAGE: value}})


def _quiet(world: World, _: dict[str, int]) -> None:
    with world.span("chaos.none", "none"):
        time.sleep(world.seconds / 2)


def _stores(world: World, _: dict[str, int]) -> None:
    faults: tuple[Fault, ...] = ("gone", "black hole", "slow")
    for which, link in world.links.items():
        for fault in faults:
            bench = f"chaos.{which.lower()}.{fault.replace(' ', '_')}"
            what = f"{which} {'gone: reset, then refused' if fault == 'gone' else fault}"
            with world.span(bench, what) as notes:
                link.become(fault)
                time.sleep(world.seconds)
                link.become("none")
                notes.append(_whole_again(world))
    for which, process in world.servers.items():
        what = f"{which} process stopped (SIGSTOP), then going on"
        with world.span(f"chaos.{which.lower()}.stopped", what) as notes:
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(world.seconds)
            os.killpg(process.pid, signal.SIGCONT)
            notes.append(_whole_again(world))


def _whole_again(world: World) -> str:
    """Wait until the service is whole and say how long that took; go on a little, so that the span shows it."""
    began = time.monotonic()
    until(world.whole)
    took = time.monotonic() - began
    time.sleep(world.seconds / 4)
    return f"whole again after {took:.1f} s"


def _disk(world: World, versions: dict[str, int]) -> None:
    with world.span("chaos.disk_full", "disk of the model cache full, a new version comes") as notes:
        with full_disk(world.folder / "last-known-good") as how:
            notes.append(how)
            for kind in ("second", "first"):
                world.crown(versions[kind])
                world.taken(versions[kind])
        time.sleep(world.seconds / 4)


def _bad_models(world: World, versions: dict[str, int]) -> None:
    good = versions["first"]
    for kind in ("digest", "signature", "feature_set", "golden_rows"):
        with world.span(f"chaos.refused.{kind}", f"a version is published that fails its {kind} check") as notes:
            before = world.counted(kind)
            world.registry.move_alias(world.name, CHAMPION, versions[kind])
            until(lambda kind=kind, before=before: world.counted(kind) > before)  # type: ignore[misc] - bound now
            time.sleep(world.seconds / 4)
            said = world.http.get("/health").json()
            notes.append(f"refused, version {said['model']['version']} stays, {said['status']}")
            world.registry.move_alias(world.name, CHAMPION, good)
            until(lambda: world.http.get("/health").json()["status"] == "ok")


def _swaps(world: World, versions: dict[str, int]) -> None:
    with world.span("chaos.swaps", f"{SWAPS} model swaps") as notes:
        began = time.time()
        for number in range(SWAPS):
            version = versions["second" if number % 2 == 0 else "first"]
            world.crown(version)
            world.taken(version)
        notes.append(f"{(time.time() - began) / SWAPS * 1000:.0f} ms a swap, from alias to answers")


def _row(world: World, got: list[Answered], bench: str, fault: str, began: float, ended: float, note: str) -> Row:
    mine = [a for a in got if began <= a.sent < ended]
    ms = sorted(a.ms for a in mine if a.status)
    cuts = quantiles(ms, n=100) if len(ms) > 1 else [0.0] * 99
    lost = Counter(a.why for a in mine if a.status == 0)
    note = "; ".join([note] * bool(note) + [f"{count}x {why}" for why, count in lost.most_common(3)])
    return Row(
        bench, fault, len(mine), len(mine) / (ended - began),
        server_errors=sum(a.status >= 500 for a in mine),
        unanswered=sum(a.status == 0 for a in mine),
        wrong_versions=sum(a.status == 200 and not _right(world, a) for a in mine),
        degraded=sum(a.degraded for a in mine),
        p50_ms=cuts[49], p99_ms=cuts[98], max_ms=ms[-1] if ms else 0.0, note=note,
    )  # fmt: skip


def _right(world: World, answer: Answered) -> bool:
    reigned = any(
        r.version == answer.version and r.since <= answer.done and answer.sent <= r.until for r in world.reigns
    )
    return reigned and answer.threshold == world.thresholds.get(answer.version or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
