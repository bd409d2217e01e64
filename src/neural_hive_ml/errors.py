"""The errors of the system: one root, few children, each says what was tried, where, and what to do.

HTTP codes and exit codes are mapped at the edges (`serving`, `cli`), never here.
"""

from typing import Literal

RefusalKind = Literal["digest", "signature", "golden_rows", "feature_set", "format"]


class HiveError(Exception):
    """Root of all expected errors.

    `what` says what failed and where; `remedy` names the next step for the person who reads it.
    """

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} (next: {self.remedy})" if self.remedy else self.what


class UsageError(HiveError):
    """A setting, flag or argument is wrong."""


class InvalidTicket(HiveError):
    """A document is not an execution ticket; `field` is the dotted path of the first fault."""

    def __init__(self, what: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.field = field


class InvalidEvent(HiveError):
    """A document is not a platform event; `field` is the dotted path of the first fault."""

    def __init__(self, what: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(f"{field}: {what}" if field else what, remedy=remedy)
        self.field = field


class NotEnoughData(HiveError):
    """Fewer usable rows than a step needs; `have` and `need` are row counts."""

    def __init__(self, what: str, *, have: int, need: int, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.have = have
        self.need = need


class StoreUnavailable(HiveError):
    """A ticket, state or feature store did not answer."""


class RegistryUnavailable(HiveError):
    """The model registry did not answer."""


class NotFound(HiveError):
    """A model, version, alias or record that was asked for does not exist."""


class ArtifactRefused(HiveError):
    """A model artifact failed verification; `kind` says of what, as alerts count it.

    ``digest``: it is not what was registered. ``format``: this release cannot read or use it.
    """

    def __init__(self, what: str, *, kind: RefusalKind = "format", remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind


class Conflict(HiveError):
    """A compare-and-set lost: someone else wrote first, or a lease is held."""


class TrainingFailed(HiveError):
    """A model family could not be trained for a reason other than the amount of data."""
