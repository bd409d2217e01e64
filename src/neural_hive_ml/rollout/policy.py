"""The rollout policy: evidence in, a decision with reasons out. Pure.

The gate has shown on a hold-out that a challenger is better. Shadow looks for what a hold-out cannot show: that it
behaves otherwise on live tickets. So it is promoted when enough was seen and nothing is wrong, and aborted when something
surely is: tests are repeated at each check, so each is held to `alpha`, a tenth of a per cent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log
from typing import Any, Literal

from neural_hive_ml.conventions import Family
from neural_hive_ml.evaluation.chance import binomial_tail
from neural_hive_ml.rollout.evidence import Answers, ChampionEvidence, ShadowEvidence

Action = Literal["promote", "wait", "abort", "keep", "rollback"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The knobs. Times in hours.

    `flag_factor` and `flag_margin`: a detector may flag up to so many times the larger, plus so much, and no less than that
    fraction of the smaller, of what it promised on its hold-out and what stood before. `slow_share` of answers may take more
    than `slow_ms`: the guide's objective, P95 below 100 ms. `loss_tolerance`: a challenger may be worse by this share of
    the champion's loss. `shift_limit`: a median factor of two between predicted amounts needs labels to decide.
    """

    least_hours: float = 24.0
    most_hours: float = 168.0
    least_pairs: int = 200
    least_labels: int = 30
    alpha: float = 0.001
    least_to_abort: int = 50
    flag_factor: float = 2.0
    flag_margin: float = 0.02
    slow_ms: float = 100.0
    slow_share: float = 0.05
    slower_factor: float = 3.0
    slower_ms: float = 10.0
    loss_tolerance: float = 0.05
    shift_limit: float = log(2.0)
    failures: int = 3
    guard_hours: float = 168.0
    quality_persistence: int = 2

    def pairs_needed(self, family: Family) -> int:
        """Return how many pairs are enough: forecasts are few, and each is of many tickets."""
        return max(self.least_pairs // 10, 1) if family == "load" else self.least_pairs


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one model: shadow gives ``promote``, ``wait`` or ``abort``, a champion ``keep`` or ``rollback``."""

    action: Action
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


def judge_shadow(e: ShadowEvidence, policy: Policy) -> Decision:
    """Decide about a challenger in shadow."""
    evidence = e.to_document()
    wrong = tuple(filter(None, (_fails(e, policy), _flags(e, policy), _slow(e, policy), _worse(e, policy))))
    if wrong:
        return Decision("abort", wrong, evidence)
    missing = _missing(e, policy)
    if missing and e.hours > policy.most_hours:
        return Decision("abort", (f"no answer after {e.hours:.0f} h: {'; '.join(missing)}",), evidence)
    if missing:
        return Decision("wait", missing, evidence)
    return Decision("promote", _good(e, policy), evidence)


def judge_champion(e: ChampionEvidence, policy: Policy) -> Decision:
    """Decide about a champion that automation made one."""
    evidence = e.to_document()
    if e.hours > policy.guard_hours:
        return Decision(
            "keep", (f"live for {e.hours:.0f} h, beyond the guard's {policy.guard_hours:g} h",), evidence
        )
    burnt = tuple(filter(None, (_flags_live(e, policy), _slow_live(e, policy), _quality_live(e, policy))))
    if burnt and not e.returnable:
        return Decision("keep", (*burnt, "there is no earlier version to return to: a person decides"), evidence)
    if burnt:
        return Decision("rollback", burnt, evidence)
    if e.answers.n < policy.least_to_abort:
        return Decision("keep", (f"unknown yet: {e.answers.n} answers, {policy.least_to_abort} tell",), evidence)
    return Decision("keep", (f"within its budgets over {e.answers.n} answers",), evidence)


def flag_limits(known: tuple[float | None, ...], policy: Policy) -> tuple[float, float] | None:
    """Return the least and the greatest share that may be flagged, None where nothing is known to compare with.

    >>> flag_limits((0.02, None), Policy())
    (0.01, 0.06)
    """
    shares = [share for share in known if share is not None]
    if not shares:
        return None
    most = min(policy.flag_factor * max(shares) + policy.flag_margin, 1.0)
    return min(shares) / policy.flag_factor, most


def _fails(e: ShadowEvidence, policy: Policy) -> str:
    return f"{e.failed} of {e.pairs} answers are no numbers" if e.failed >= policy.failures else ""


def _flags(e: ShadowEvidence, policy: Policy) -> str:
    if e.family != "anomaly":
        return ""
    mine = Answers(e.pairs, e.challenger_flagged)
    return _unusual(mine, (Answers(e.pairs, e.champion_flagged).flagged_share, e.promised_share), policy)


def _flags_live(e: ChampionEvidence, policy: Policy) -> str:
    if e.family != "anomaly":
        return ""
    before = e.before.flagged_share if e.before.n >= policy.least_to_abort else None
    return _unusual(e.answers, (before, e.promised_share), policy)


def _unusual(mine: Answers, known: tuple[float | None, float | None], policy: Policy) -> str:
    limits = flag_limits(known, policy)
    if limits is None or mine.n < policy.least_to_abort:
        return ""
    least, most = limits
    told = ", ".join(
        f"{name} {share:.1%}"
        for name, share in zip(("before or beside it", "on its hold-out"), known, strict=True)
        if share is not None
    )
    said = f"flags {mine.flagged} of {mine.n}, surely"
    if binomial_tail(mine.flagged, mine.n, most) < policy.alpha:
        return f"{said} more than {most:.1%} ({told})"
    if binomial_tail(mine.n - mine.flagged, mine.n, 1.0 - least) < policy.alpha:
        return f"{said} less than {least:.1%} ({told})"
    return ""


def _slow(e: ShadowEvidence, policy: Policy) -> str:
    mine, other = e.challenger_p95_ms, e.champion_p95_ms
    if e.pairs < policy.least_to_abort:
        return ""
    if mine > policy.slow_ms:
        return f"its P95 is {mine:.1f} ms, the objective {policy.slow_ms:g} ms"
    if mine > policy.slower_ms and mine > policy.slower_factor * other:
        return f"its P95 is {mine:.1f} ms, the champion's {other:.1f} ms"
    return ""


def _slow_live(e: ChampionEvidence, policy: Policy) -> str:
    now, before = e.answers, e.before
    known_good = before.n >= policy.least_to_abort and before.slow <= policy.slow_share * before.n
    if not known_good or binomial_tail(now.slow, now.n, policy.slow_share) >= policy.alpha:
        return ""
    return f"{now.slow} of {now.n} answers took more than {policy.slow_ms:g} ms, {before.slow} of {before.n} before it"


def _quality_live(e: ChampionEvidence, policy: Policy) -> str:
    newest = e.quality_lost[: policy.quality_persistence]
    if len(newest) < policy.quality_persistence or not all(newest) or e.quality_lost_before is not False:
        return ""
    return f"live quality is below its objective in {len(newest)} measures, and was not before it"


def _worse(e: ShadowEvidence, policy: Policy) -> str:
    loss = e.loss
    if loss is None or loss.n < policy.least_labels or loss.low <= policy.loss_tolerance * loss.champion:
        return ""
    return f"worse on {loss.n} labelled tickets: loss {loss.challenger:.3g}, the champion's {loss.champion:.3g}"


def _missing(e: ShadowEvidence, policy: Policy) -> tuple[str, ...]:
    out = []
    needed = policy.pairs_needed(e.family)
    if e.pairs < needed:
        out.append(f"{e.pairs} of {needed} predictions beside the champion's")
    if e.hours < policy.least_hours:
        out.append(f"{e.hours:.1f} of {policy.least_hours:g} h in shadow")
    unclear = _unclear(e, policy)
    if unclear:
        out.append(unclear)
    labelled = e.loss is not None and e.loss.n >= policy.least_labels
    if e.family != "anomaly" and e.shift > policy.shift_limit and not labelled:
        out.append(
            "predicts amounts that are typically half or twice the champion's, and no labels tell who is right"
        )
    return tuple(out)


def _unclear(e: ShadowEvidence, policy: Policy) -> str:
    """A share outside of the limits may be chance while flags are rare: not sure enough to abort, nor to promote."""
    if e.family != "anomaly" or e.pairs == 0:
        return ""
    beside = Answers(e.pairs, e.champion_flagged).flagged_share
    limits = flag_limits((beside, e.promised_share), policy)
    if limits is None or limits[0] <= e.challenger_flagged / e.pairs <= limits[1]:
        return ""
    return f"flags {e.challenger_flagged} of {e.pairs}, outside {limits[0]:.1%} to {limits[1]:.1%}, which may be chance"


def _good(e: ShadowEvidence, policy: Policy) -> tuple[str, ...]:
    said = [
        f"agrees with the champion on {e.agreed} of {e.pairs}, median shift {e.shift:.3g}",
        f"P95 {e.challenger_p95_ms:.1f} ms, the champion's {e.champion_p95_ms:.1f} ms",
    ]
    loss = e.loss
    if loss is None or loss.n < policy.least_labels:
        said.append(
            f"{0 if loss is None else loss.n} labels, too few to compare quality live: the gate's answer stands"
        )
    else:
        said.append(
            f"not worse on {loss.n} labelled tickets: loss {loss.challenger:.3g}, the champion's {loss.champion:.3g}"
        )
    return tuple(said)
