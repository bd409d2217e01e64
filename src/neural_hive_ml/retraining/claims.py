"""A trigger is claimed once: what was begun and not finished is finished by the next run, not begun again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from neural_hive_ml.conventions import RETRAINING_CLAIMS
from neural_hive_ml.errors import Conflict
from neural_hive_ml.state.port import Record, StateStore

# A training that kills its process this often is not tried again for the same trigger.
MOST_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer one trigger of one model; `key` names the trigger, `tries` counts starts."""

    key: str
    name: str
    at_ms: int
    tries: int
    status: str
    trigger: str
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "model_name": self.name, "tries": self.tries, "status": self.status, "trigger": self.trigger,
            "reasons": list(self.reasons), "evidence": dict(self.evidence),
        }  # fmt: skip


def claim(
    state: StateStore,
    *,
    name: str,
    trigger: str,
    at_ms: int,
    reasons: tuple[str, ...],
    evidence: Mapping[str, Any],
) -> Claim | None:
    """Claim a trigger; None when it was claimed before."""
    made = Claim(f"{name}:{trigger}:{at_ms}", name, at_ms, 1, "running", trigger, reasons, evidence)
    try:
        state.replace(RETRAINING_CLAIMS, Record(made.key, at_ms, made.to_document()), expected=None)
    except Conflict:
        return None
    return made


def finish(state: StateStore, held: Claim, status: str) -> None:
    """Say how a claim ended: ``succeeded`` or ``failed``."""
    state.put(RETRAINING_CLAIMS, Record(held.key, held.at_ms, {**held.to_document(), "status": status}))


def unfinished(state: StateStore) -> Sequence[Claim]:
    """Return the claims that a run began and did not finish. Only the holder of the lease may ask."""
    out = []
    for record in state.find(RETRAINING_CLAIMS, where={"status": "running"}):
        d = record.document
        out.append(
            Claim(record.key, d["model_name"], record.at_ms, d["tries"], d["status"], d["trigger"],
                  tuple(d["reasons"]), d["evidence"])
        )  # fmt: skip
    return out


def resume(state: StateStore, held: Claim) -> Claim | None:
    """Begin an interrupted claim again; None when it was begun often enough, and is to be given up."""
    if held.tries >= MOST_TRIES:
        return None
    again = replace(held, tries=held.tries + 1)
    state.put(RETRAINING_CLAIMS, Record(again.key, again.at_ms, again.to_document()))
    return again
