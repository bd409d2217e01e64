"""What is known of a challenger beside its champion, and of a champion since it went live. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, log1p, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import Family
from neural_hive_ml.feedback.quality_detector import Judged, weights
from neural_hive_ml.state.port import Document

Floats = npt.NDArray[np.float64]

# Half the width of a 95 % interval in standard errors; the least numbers of labels in `policy` make it fit.
_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class PairedLoss:
    """Mean loss of both on the same `n` labelled tickets; `low`, `high` bound the challenger's minus the champion's (95 %).

    Detector: share of wrong verdicts, weighted as live quality is (`quality_detector`). Durations: mean |log error|.
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
    """Compare both on labelled tickets; one ticket's pairs share its label, so they are one case in the interval."""
    if family == "anomaly":
        weight, mine_loss, other_loss = _verdict_losses(pairs, labels)
    else:
        weight, mine_loss, other_loss = _duration_losses(family, pairs, labels)
    known = np.flatnonzero(weight)
    ticket = np.array([str(pairs[int(i)].get("ticket_id")) for i in known])
    if len(set(ticket)) < 2:
        return None
    return _weighted(weight[known], mine_loss[known], other_loss[known], ticket)


def _verdict_losses(pairs: Sequence[Document], labels: Mapping[str, float]) -> tuple[Floats, Floats, Floats]:
    # People were asked by what the champion said. What the audit would draw but did not was asked by nobody: a verdict on
    # it came for a reason of its own, and says nothing of the rest.
    tickets = [str(d.get("ticket_id")) for d in pairs]
    mine, other = (
        np.array([d.get(f"{who}decision") == "anomaly" for d in pairs], dtype=bool) for who in ("", "champion_")
    )
    queued = {ticket for ticket, flagged in zip(tickets, other, strict=True) if flagged}
    truth = np.array([labels.get(ticket, np.nan) for ticket in tickets], dtype=np.float64)
    judged = Judged(
        flagged=other,
        queued=np.array([ticket in queued for ticket in tickets], dtype=bool),
        audited=np.array([d.get("review") == "audit" for d in pairs], dtype=bool),
        probability=np.array([float(d.get("review_probability") or 0.0) for d in pairs], dtype=np.float64),
        label=truth,
        ticket=np.unique(np.array(tickets), return_inverse=True)[1],
    )
    wrong = truth == 1.0
    return weights(judged), (mine != wrong).astype(float), (other != wrong).astype(float)


def _duration_losses(
    family: Family, pairs: Sequence[Document], labels: Mapping[str, float]
) -> tuple[Floats, Floats, Floats]:
    rows = np.zeros((3, len(pairs)))
    for i, d in enumerate(pairs):
        truth = labels.get(str(d.get("ticket_id")))
        mine, other = _answer(family, d, ""), _answer(family, d, "champion_")
        if truth is not None and mine is not None and other is not None:
            rows[:, i] = 1.0, abs(mine - log1p(truth)), abs(other - log1p(truth))
    return rows[0], rows[1], rows[2]


def _weighted(weight: Floats, mine: Floats, other: Floats, ticket: npt.NDArray[np.str_]) -> PairedLoss:
    # A ratio estimate (Hajek) and its linearised standard error, of clusters.
    total = weight.sum()
    difference = mine - other
    mean = float((weight * difference).sum() / total)
    cluster = np.unique(ticket, return_inverse=True)[1]
    error = sqrt(float((np.bincount(cluster, weights=weight * (difference - mean)) ** 2).sum())) / total
    return PairedLoss(
        int(cluster.max()) + 1,
        float((weight * mine).sum() / total),
        float((weight * other).sum() / total),
        mean - _Z * error,
        mean + _Z * error,
    )


def _p95(values: Sequence[Any]) -> float:
    known = sorted(float(v) for v in values if isinstance(v, int | float) and isfinite(v))
    return known[min(int(0.95 * len(known)), len(known) - 1)] if known else 0.0
