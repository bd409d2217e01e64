"""Anomalies put into tickets on purpose, by named kind, seeded: truth for the gate while verdicts are few.

Only copies are changed; the injected tickets carry label and kind beside the columns, never inside them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import yaml

from neural_hive_ml.clock import DAY_MS, HOUR_MS, MINUTE_MS
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns, concat, ranks
from neural_hive_ml.tickets.ticket import RISK_BANDS, STATUSES

_COMPLETED = STATUSES.index("COMPLETED")
# A hundredth of a shorter run time is no run time to speak of.
LEAST_RUN_MS = 100
Rng = np.random.Generator
Magnitude = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Injected:
    """Columns with anomalies in them: `kind[i]` names ticket i's kind, empty for an untouched one."""

    columns: TicketColumns
    kind: npt.NDArray[np.object_]

    @property
    def label(self) -> npt.NDArray[np.bool_]:
        """True where the ticket is an injected anomaly."""
        return np.asarray(self.kind != "")


@cache
def magnitudes() -> dict[str, tuple[float, float]]:
    """Return the committed range of every kind."""
    text = resources.files("neural_hive_ml.evaluation").joinpath("injections.yaml").read_text(encoding="utf-8")
    return {name: (float(v["low"]), float(v["high"])) for name, v in yaml.safe_load(text)["kinds"].items()}


def inject(
    columns: TicketColumns, where: npt.NDArray[np.bool_], rate: float, rng: Rng, kinds: Sequence[str] | None = None
) -> Injected:
    """Return a copy of the columns in which a share `rate` of the tickets in `where` is anomalous.

    Each kind gets an equal share, at least one ticket; a burst adds its 20 to 40 tickets, so that few bursts, at least one,
    are its share. All but bursts change completed tickets whose run time is known, none twice, and none is moved to before
    the first of `where`. The result is ordered by (created_at, ticket_id). O(n).
    """
    names = tuple(magnitudes()) if kinds is None else tuple(kinds)
    wanted = max(round(float(rate * where.sum() / max(len(names), 1))), 1)
    ran = (columns.status == _COMPLETED) & (columns.started_at_ms != MISSING_MS)
    free = where & ran & (columns.actual_duration_ms >= LEAST_RUN_MS)
    kind = np.full(len(columns), "", dtype=object)
    out = _thaw(columns)
    scene = _Scene(columns, rng, int(columns.created_at_ms[where].min()) if where.any() else 0)
    extra: list[TicketColumns] = []
    for name in names:
        low, high = magnitudes()[name]
        draw = _drawer(rng, low, high)
        candidates = np.flatnonzero(free)
        if len(candidates) == 0:
            break
        if name == "owner_burst":
            bursts = min(max(round(wanted / 30), 1), len(candidates))
            seeds = rng.choice(candidates, size=bursts, replace=False)
            extra.extend(_burst(columns, int(seed), int(draw()), rng) for seed in seeds)
            continue
        chosen = rng.choice(candidates, size=min(wanted, len(candidates)), replace=False)
        free[chosen] = False
        kind[chosen] = name
        for i in chosen:
            _CHANGES[name](out, int(i), draw(), scene)
    joined = concat([out, *extra])
    kinds_joined = np.concatenate([kind, *[np.full(len(e), "owner_burst", dtype=object) for e in extra]])
    order = np.lexsort((ranks(joined.ticket_id), joined.created_at_ms))
    return Injected(joined.take(order), kinds_joined[order])


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a change may look at: the tickets as they were, chance, and the moment before which none may be moved."""

    before: TicketColumns
    rng: Rng
    earliest_ms: int


def _thaw(columns: TicketColumns) -> TicketColumns:
    """Copy the arrays that injections change."""
    names = (
        "capabilities",
        "parameters",
        "error",
        "risk_band",
        "retry_count",
        "created_at_ms",
        "started_at_ms",
        "completed_at_ms",
        "actual_duration_ms",
        "sla_deadline_ms",
    )
    return replace(columns, **{name: getattr(columns, name).copy() for name in names})


def _drawer(rng: Rng, low: float, high: float) -> Magnitude:
    return lambda: float(np.exp(rng.uniform(np.log(low), np.log(high)))) if high > low else low


def _stretch(out: TicketColumns, i: int, factor: float, scene: _Scene) -> None:
    duration = max(int(scene.before.actual_duration_ms[i] * factor), 1)
    out.actual_duration_ms[i] = duration
    out.completed_at_ms[i] = scene.before.started_at_ms[i] + duration


def _silent_failure(out: TicketColumns, i: int, factor: float, scene: _Scene) -> None:
    _stretch(out, i, factor, scene)
    out.error[i] = True


def _retry_storm(out: TicketColumns, i: int, retries: float, scene: _Scene) -> None:
    out.retry_count[i] = scene.before.retry_count[i] + round(retries)


def _wrong_capability(out: TicketColumns, i: int, _: float, scene: _Scene) -> None:
    before = scene.before
    mine = set(before.capabilities[i])
    for other in scene.rng.integers(0, len(before), size=20):
        if set(before.capabilities[other]) != mine:
            out.capabilities[i] = before.capabilities[other]
            return
    out.capabilities[i] = (*before.capabilities[i], "injected_capability")


def _resource_mismatch(out: TicketColumns, i: int, factor: float, scene: _Scene) -> None:
    before = scene.before
    parameters = {}
    for name, text in before.parameters[i].items():
        try:
            parameters[name] = f"{float(text) * factor:g}"
        except ValueError:
            parameters[name] = text
    out.parameters[i] = parameters
    bands = [code for code in range(len(RISK_BANDS)) if code != before.risk_band[i]]
    out.risk_band[i] = bands[int(scene.rng.integers(len(bands)))]


def _unusual_hour(out: TicketColumns, i: int, _: float, scene: _Scene) -> None:
    before, created = scene.before, int(scene.before.created_at_ms[i])
    mine = before.owner == before.owner[i] if before.owner[i] else before.task_id == before.task_id[i]
    now = created // HOUR_MS % 24
    hours = np.bincount((before.created_at_ms[mine] // HOUR_MS) % 24, minlength=24).astype(float)
    hours[now] -= 1.0
    near = hours + 0.5 * np.roll(hours, 1) + 0.5 * np.roll(hours, -1)
    near[now] = np.inf
    quiet = int(scene.rng.choice(np.flatnonzero(near == near.min())))
    # Backwards in time, so that the ticket stays inside its window; forwards where that would leave it.
    shift = -((now - quiet) % 24) * HOUR_MS
    if created + shift < scene.earliest_ms:
        shift += DAY_MS
    for name in ("created_at_ms", "started_at_ms", "completed_at_ms", "sla_deadline_ms"):
        getattr(out, name)[i] = getattr(before, name)[i] + shift


def _burst(before: TicketColumns, i: int, copies: int, rng: Rng) -> TicketColumns:
    """Copies of ticket i, created within the ten minutes after it, with its own run time jittered by a tenth."""
    clones = _thaw(before.take(np.full(copies, i)))
    offsets = np.sort(rng.integers(1, 10 * MINUTE_MS, size=copies))
    for name in ("created_at_ms", "started_at_ms", "completed_at_ms", "sla_deadline_ms"):
        getattr(clones, name)[:] += offsets
    durations = np.maximum((clones.actual_duration_ms * rng.uniform(0.9, 1.1, size=copies)).astype(np.int64), 1)
    clones.actual_duration_ms[:] = durations
    clones.completed_at_ms[:] = clones.started_at_ms + durations
    ids = np.array([f"{before.ticket_id[i]}#burst{n}" for n in range(copies)], dtype=object)
    return replace(clones, ticket_id=ids)


_CHANGES: dict[str, Callable[[TicketColumns, int, float, _Scene], None]] = {
    "stuck": _stretch,
    "runaway": _stretch,
    "too_fast": _stretch,
    "retry_storm": _retry_storm,
    "wrong_capability": _wrong_capability,
    "resource_mismatch": _resource_mismatch,
    "unusual_hour": _unusual_hour,
    "silent_failure": _silent_failure,
}
