"""One answer of the doctor."""

from dataclasses import dataclass
from typing import Literal

# unknown: it could not be looked at, which is not the same as fine.
Status = Literal["ok", "warning", "failed", "unknown", "not_configured"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at and what it says; `remedy` is the command that mends it, `exit_code` what the command ends with
    when this failed."""

    name: str
    status: Status
    detail: str
    remedy: str = ""
    exit_code: int = 0


def judged(name: str, detail: str, *, well: bool, remedy: str) -> Check:
    """Return ok, or a warning with what mends it."""
    return Check(name, "ok" if well else "warning", detail, "" if well else remedy)
