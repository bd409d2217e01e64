"""A burst of labelled anomalies for the demo: real tickets changed on purpose, and marked so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neural_hive_ml.evaluation.injections import magnitudes
from neural_hive_ml.tickets.ticket import Ticket

KINDS = ("stuck", "runaway", "too_fast", "silent_failure", "retry_storm")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A ticket of the burst; `kind` is empty for one that was left as it is."""

    ticket: Ticket
    kind: str


def make_burst(tickets: Sequence[Ticket], each: int, rng: np.random.Generator) -> list[Labelled]:
    """Change `each` tickets by every kind of `KINDS`, by the magnitudes that the gate injects; keep the others.

    Only tickets that completed with a run time are changed.
    """
    able = [i for i, t in enumerate(tickets) if t.status == "COMPLETED" and t.actual_duration_ms]
    chosen = rng.permutation(able)[: each * len(KINDS)]
    kinds = {int(i): KINDS[n % len(KINDS)] for n, i in enumerate(chosen)}
    return [Labelled(_changed(t, kinds[i], rng), kinds[i]) if i in kinds else Labelled(t, "")
            for i, t in enumerate(tickets)]  # fmt: skip


def _changed(ticket: Ticket, kind: str, rng: np.random.Generator) -> Ticket:
    low, high = magnitudes()[kind]
    size = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return replace(_CHANGES[kind](ticket, size), metadata={**ticket.metadata, "demo_injected": kind})


def _timed(ticket: Ticket, factor: float) -> Ticket:
    assert ticket.actual_duration_ms is not None
    assert ticket.started_at is not None
    duration_ms = max(round(ticket.actual_duration_ms * factor), 1)
    return replace(ticket, actual_duration_ms=duration_ms, completed_at=ticket.started_at + duration_ms)


_CHANGES: dict[str, Callable[[Ticket, float], Ticket]] = {
    "stuck": _timed,
    "runaway": _timed,
    "too_fast": _timed,
    "silent_failure": lambda ticket, size: replace(_timed(ticket, size), error_message="result was empty"),
    "retry_storm": lambda ticket, size: replace(ticket, retry_count=round(size)),
}
