"""May a candidate go live? Floors, naive baselines and the champion on one hold-out; three answers, reasons.

A gain is accepted when its 95 % interval lies above zero and the gain itself above the margin: of candidates that
are in truth equal to the champion at most one in forty passes. Too few cases to tell is an answer of its own: the
champion stays, and the verdict says how many cases are missing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neural_hive_ml.evaluation.compare import Comparison
from neural_hive_ml.evaluation.floors import Demands, check_floors
from neural_hive_ml.evaluation.verdict import BaselineFigure, Evaluation, FloorCheck, Outcome, Verdict

# A true gain of twice the margin is to be found nine times out of ten: its 95 % interval lies above zero in all
# but one of ten draws when the gain's standard deviation is at most this many margins.
_MOST_ERROR = 2.0 / (1.96 + 1.2816)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a candidate comes with besides its figures.

    `synthetic` says that it learned from made-up tickets, `allow_synthetic` that this is accepted.
    `allow_below_floor` is an operator's word that missed floors and naive baselines shall not hold it back; the
    champion still must be beaten. `unanswerable` says why a champion could not be scored on the hold-out; it then
    counts as none.
    """

    synthetic: bool = False
    allow_synthetic: bool = False
    allow_below_floor: bool = False
    unanswerable: str = ""


def judge(
    evaluation: Evaluation,
    demands: Demands,
    comparison: Comparison | None = None,
    standing: Standing | None = None,
) -> Verdict:
    """Judge a candidate; `comparison` is None where there is no champion.

    Floors are checked whatever the outcome, so that a report shows them. Pure.
    """
    standing = standing or Standing()
    floors = check_floors(evaluation, demands.floors)
    outcome, reasons, missing = _decide(evaluation, demands, floors, comparison, standing)
    return Verdict(outcome, tuple(r for r in reasons if r), floors, missing, _evidence(evaluation, comparison))


_Decision = tuple[Outcome, Sequence[str], str]


def _decide(
    evaluation: Evaluation, demands: Demands, floors: Sequence[FloorCheck], comparison: Comparison | None,
    standing: Standing,
) -> _Decision:  # fmt: skip
    if standing.synthetic and not standing.allow_synthetic:
        return Outcome.REJECT, ["learned from synthetic tickets, on which no promotion may rest"], ""
    missed = [_missed(check) for check in floors if not check.passed]
    cases, unit = _cases(evaluation)
    if cases < demands.evidence:
        reasons = [f"judged on {cases} {unit}, {demands.evidence} are needed", *missed]
        return Outcome.INSUFFICIENT_EVIDENCE, reasons, f"{demands.evidence - cases} more {unit} in the hold-out"
    behind = _not_beaten(evaluation, demands.baselines)
    short = [*missed, *behind]
    if short and not standing.allow_below_floor:
        return Outcome.REJECT, short, ""
    allowed = ["allowed below its floor by the operator", *short] if short else []
    if comparison is None:
        first = standing.unanswerable or "no champion yet"
        why = allowed or ["above its floors", _ahead(evaluation, demands.baselines)]
        return Outcome.PROMOTE, [first, *why], ""
    outcome, weighed, missing = _against_champion(comparison, demands.margin, unit)
    return outcome, [*weighed, *allowed], missing


def _against_champion(c: Comparison, margin: float, unit: str) -> _Decision:
    """Weigh the gain over the champion: its point, its interval, and whether they could have told at all."""
    said = (
        f"{c.metric} {_number(c.candidate)} against the champion's {_number(c.champion)} on the same hold-out: "
        f"gain {c.gain:+.1%} [{c.low:+.1%}, {c.high:+.1%}]"
    )
    if c.gain >= margin and c.low > 0:
        if c.harms:
            harmed = [f"worse for {h.slice} by {h.loss:.0%} (at least {h.low:.0%}, {h.n} cases)" for h in c.harms]
            return Outcome.REJECT, [said, *harmed], ""
        return Outcome.PROMOTE, [said, f"above the margin of {margin:.0%} beyond chance"], ""
    if c.high < margin:
        return Outcome.REJECT, [said, f"not {margin:.0%} better"], ""
    most = _MOST_ERROR * margin
    if c.error > most:
        lacking = _lacking(c, most)
        reason = f"too few {unit} to tell a gain of {2 * margin:.0%} from none"
        return Outcome.INSUFFICIENT_EVIDENCE, [said, reason], f"about {lacking} more {unit} in the hold-out"
    return Outcome.REJECT, [said, f"not {margin:.0%} better beyond chance"], ""


def _lacking(c: Comparison, most: float) -> str:
    """How many more cases would bring the gain's standard deviation down to `most`: it falls with their root."""
    if not math.isfinite(c.error):
        return "30"
    return f"{max(math.ceil(c.cases * ((c.error / most) ** 2 - 1)), 1):,}"


def _cases(evaluation: Evaluation) -> tuple[int, str]:
    primary = evaluation.metric(evaluation.primary)
    return (primary.n, "cases") if primary.positives is None else (primary.positives, "anomalies")


def _missed(check: FloorCheck) -> str:
    floor = f"{check.comparison} {check.floor:g} ({check.source})"
    return f"{check.metric} {_number(check.value)} misses its floor {floor}"


def _rivals(evaluation: Evaluation, names: Sequence[str]) -> list[BaselineFigure]:
    return [b for b in evaluation.baselines if b.metric == evaluation.primary and b.name in names]


def _not_beaten(evaluation: Evaluation, names: Sequence[str]) -> list[str]:
    primary = evaluation.metric(evaluation.primary)
    sign = 1 if primary.higher_is_better else -1
    return [
        f"{primary.name} {_number(primary.value)} does not beat {b.name.replace('_', ' ')} ({_number(b.value)})"
        for b in _rivals(evaluation, names)
        if sign * (primary.value - b.value) <= 0
    ]


def _ahead(evaluation: Evaluation, names: Sequence[str]) -> str:
    rivals = _rivals(evaluation, names)
    if not rivals:
        return ""
    primary = evaluation.metric(evaluation.primary)
    best = (max if primary.higher_is_better else min)(rivals, key=lambda b: b.value)
    name = best.name.replace("_", " ")
    return f"{primary.name} {_number(primary.value)} beats the best baseline, {name} ({_number(best.value)})"


def _evidence(evaluation: Evaluation, comparison: Comparison | None) -> dict[str, float]:
    """The numbers behind the reasons, finite ones only (they are written as JSON)."""
    cases, unit = _cases(evaluation)
    found = {unit: float(cases), evaluation.primary: evaluation.metric(evaluation.primary).value}
    if comparison is not None:
        c = comparison
        found |= {"champion": c.champion, "candidate": c.candidate, "gain": c.gain, "gain.low": c.low,
                  "gain.high": c.high, "gain.error": c.error}  # fmt: skip
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
