"""What a drift check says: a status with reasons, and per feature how likely, how large, in which direction."""

from dataclasses import dataclass
from enum import StrEnum


class DriftStatus(StrEnum):
    """The three answers of a check."""

    OK = "ok"
    DRIFT = "drift"
    INSUFFICIENT_DATA = "insufficient_data"


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature against its matched reference.

    `p_value` is the chance of such a distance in a quiet window; `psi` the bias-corrected population stability
    index (an effect, >= 0), `ks` the KS gap (None for categories). `reference` and `current` are medians in
    `unit` (numbers) or the shares of the value that moved most (`value`, categories); `drifted` means unlikely
    and not trivial.
    """

    name: str
    unit: str
    kind: str
    p_value: float
    psi: float
    psi_raw: float
    ks: float | None
    drifted: bool
    reference: float | None
    current: float | None
    value: str
    missing_reference: float
    missing_current: float
    new_share: float

    @property
    def sentence(self) -> str:
        """Say the effect in the feature's own unit."""
        if self.reference is None or self.current is None:
            return f"{self.name}: missing {self.missing_reference:.1%} -> {self.missing_current:.1%}"
        if self.kind == "category":
            return f"{self.name}: share of {self.value} {self.reference:.1%} -> {self.current:.1%}"
        change = self.current - self.reference
        medians = f"{self.reference:,.4g} -> {self.current:,.4g} {self.unit}".strip()
        return f"{self.name}: median {medians} ({change:+,.4g})"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A check of one model. `drift_detected` is the calibrated test, `drift_score` the effect: the larger of
    the greatest bias-corrected PSI and the share of drifted features, 0 where there is nothing to judge.
    `lasting_score` is the score of what is off in the newest quarters of the window too, None where that cannot
    be told (or nothing drifted)."""

    status: DriftStatus
    drift_score: float
    features: tuple[FeatureDrift, ...]
    rows: int
    reference_rows: int
    from_ms: int
    until_ms: int
    false_alarm_rate: float
    level: str
    reasons: tuple[str, ...]
    lasting_score: float | None = None

    @property
    def drift_detected(self) -> bool:
        """True when the calibrated test fired."""
        return self.status is DriftStatus.DRIFT

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """The drifted features, largest effect first."""
        return tuple(sorted((f for f in self.features if f.drifted), key=lambda f: -f.psi))
