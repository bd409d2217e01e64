"""What is known of a challenger beside its champion, and of a champion since it went live. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, log1p, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import Family
from neural_hive_ml.state.port import Document

# Half the width of a 95 % interval in standard errors; the least numbers of labels in `policy` make it fit.
_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class PairedLoss:
    """Mean loss of both on the same `n` labelled cases; `low` and `high` bound the challenger's minus the champion's (95 %).

    Detector: share of wrong verdicts, weighted by the inverse of the review probability. Durations: mean |log error|.
    """

    n: int
    challenger: float
    champion: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ShadowEvidence:
    """Pairs of answers to the same questions, since the shadow run began `hours` ago.

    `failed` counts challenger's answers that are no number. `shift` is the median distance of the two answers: of scores,
    or of logarithms (durations, load). Flags are the detector's; `promised_share` is its flagged share on the hold-out.
    """

    family: Family
    hours: float
    pairs: int
    agreed: int
    failed: int
    shift: float
    challenger_p95_ms: float
    champion_p95_ms: float
    challenger_flagged: int = 0
    champion_flagged: int = 0
    promised_share: float | None = None
    loss: PairedLoss | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers that were given by one version: `flagged` of `n`, and `slow` of `n` above the latency objective."""

    n: int = 0
    flagged: int = 0
    slow: int = 0

    @property
    def flagged_share(self) -> float | None:
        """The share flagged, None without answers."""
        return self.flagged / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class ChampionEvidence:
    """A champion since it went live `hours` ago, and the version before it, just before that.

    `quality_lost` holds its live quality, newest first (None: unknown); `quality_lost_before` is what the last measure
    before said. `returnable` is false when there is no previous version, or it was itself given up before.
    """

    family: Family
    hours: float
    answers: Answers
    before: Answers
    promised_share: float | None
    quality_lost: tuple[bool | None, ...]
    quality_lost_before: bool | None
    returnable: bool

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return asdict(self)


def shadow_evidence(
    family: Family,
    pairs: Sequence[Document],
    labels: Mapping[str, float],
    *,
    hours: float,
    promised_share: float | None = None,
) -> ShadowEvidence:
    """Sum up shadow predictions of one challenger beside one champion; O(n log n).

    `labels` maps ticket ids to the truth: 1 or 0 for anomalies, run times in ms for durations; load has none here.
    """
    answers = [(_answer(family, d, ""), _answer(family, d, "champion_")) for d in pairs]
    sound = [(mine, other) for mine, other in answers if mine is not None and other is not None]
    apart = sorted(abs(mine - other) for mine, other in sound)
    return ShadowEvidence(
        family=family,
        hours=hours,
        pairs=len(pairs),
        agreed=sum(bool(d.get("agreed")) for d in pairs),
        failed=sum(mine is None for mine, _ in answers),
        shift=apart[len(apart) // 2] if apart else 0.0,
        challenger_p95_ms=_p95([d.get("latency_ms") for d in pairs]),
        champion_p95_ms=_p95([d.get("champion_latency_ms") for d in pairs]),
        challenger_flagged=sum(d.get("decision") == "anomaly" for d in pairs),
        champion_flagged=sum(d.get("champion_decision") == "anomaly" for d in pairs),
        promised_share=promised_share,
        loss=_paired_loss(family, pairs, labels),
    )


def answers_of(documents: Sequence[Document], slow_ms: float) -> Answers:
    """Sum up given answers; one is slow above `slow_ms`."""
    return Answers(
        len(documents),
        sum(d.get("decision") == "anomaly" for d in documents),
        sum(float(d.get("latency_ms") or 0.0) > slow_ms for d in documents),
    )


def _answer(family: Family, document: Document, whose: str) -> float | None:
    name = {"anomaly": "score", "scheduling": "p50_ms", "load": "total"}[family]
    value = document.get(whose + name)
    if not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) if family == "anomaly" else log1p(max(value, 0.0))


def _paired_loss(family: Family, pairs: Sequence[Document], labels: Mapping[str, float]) -> PairedLoss | None:
    rows = []
    for d in pairs:
        truth = labels.get(str(d.get("ticket_id")))
        if truth is None:
            continue
        if family == "anomaly":
            probability = float(d.get("review_probability") or 0.0)
            if probability > 0:  # what nobody was asked about says nothing of the rest
                mine, other = (d.get(f"{who}decision") == "anomaly" for who in ("", "champion_"))
                rows.append((1.0 / probability, mine != bool(truth), other != bool(truth)))
        else:
            mine_log, other_log = _answer(family, d, ""), _answer(family, d, "champion_")
            if mine_log is not None and other_log is not None:
                rows.append((1.0, abs(mine_log - log1p(truth)), abs(other_log - log1p(truth))))
    if len(rows) < 2:
        return None
    weight, mine_loss, other_loss = np.asarray(rows, dtype=np.float64).T
    return _weighted(weight, mine_loss, other_loss)


def _weighted(
    weight: npt.NDArray[np.float64], mine: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> PairedLoss:
    # A ratio estimate (Hajek) and its linearised standard error.
    total = weight.sum()
    difference = mine - other
    mean = float((weight * difference).sum() / total)
    error = sqrt(float(((weight * (difference - mean)) ** 2).sum())) / total
    return PairedLoss(
        len(weight),
        float((weight * mine).sum() / total),
        float((weight * other).sum() / total),
        mean - _Z * error,
        mean + _Z * error,
    )


def _p95(values: Sequence[Any]) -> float:
    known = sorted(float(v) for v in values if isinstance(v, int | float) and isfinite(v))
    return known[min(int(0.95 * len(known)), len(known) - 1)] if known else 0.0
