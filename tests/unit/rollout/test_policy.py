"""What is decided from evidence about a challenger in shadow and about a champion that is live."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from neural_hive_ml.evaluation.chance import binomial_tail
from neural_hive_ml.feedback.sampling import sample
from neural_hive_ml.rollout.evidence import (
    Answers,
    ChampionEvidence,
    PairedLoss,
    ShadowEvidence,
    shadow_evidence,
)
from neural_hive_ml.rollout.policy import Policy, flag_limits, judge_champion, judge_shadow

POLICY = Policy()
GOOD = ShadowEvidence(
    family="anomaly", hours=30.0, pairs=1_000, agreed=985, failed=0, shift=0.01, challenger_p95_ms=0.4,
    champion_p95_ms=0.4, challenger_flagged=22, champion_flagged=20, promised_share=0.03,
)  # fmt: skip
LIVE = ChampionEvidence(
    family="anomaly", hours=5.0, answers=Answers(400, 9, 0), before=Answers(5_000, 100, 10), promised_share=0.03,
    quality_lost=(), quality_lost_before=None, returnable=True,
)  # fmt: skip


@given(st.integers(0, 400), st.integers(1, 400), st.floats(0.0, 1.0))
def test_binomial_tails_are_scipys(k: int, n: int, p: float) -> None:
    assert binomial_tail(k, n, p) == pytest.approx(float(binom.sf(k - 1, n, p)), rel=1e-6, abs=1e-12)


def test_enough_and_nothing_wrong_is_promoted_with_reasons() -> None:
    decision = judge_shadow(GOOD, POLICY)
    assert decision.action == "promote"
    assert "0 labels, too few to compare quality live" in decision.reasons[-1]
    assert decision.evidence["pairs"] == 1_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pairs": 199, "agreed": 199}, "199 of 200 predictions"),
        ({"hours": 23.9}, "23.9 of 24 h in shadow"),
        ({"family": "scheduling", "shift": 0.8}, "half or twice the champion's"),
        ({"pairs": 220, "challenger_flagged": 0}, "flags 0 of 220, outside 0.7% to 8.0%, which may be chance"),
    ],
)
def test_what_is_missing_is_waited_for_and_then_given_up(change: dict[str, object], said: str) -> None:
    evidence = replace(GOOD, **{"challenger_flagged": 3, "champion_flagged": 3, **change})  # type: ignore[arg-type] - fields
    decision = judge_shadow(evidence, POLICY)
    assert decision.action == "wait"
    assert said in decision.reasons[0]
    late = judge_shadow(replace(evidence, hours=200.0), POLICY)
    if "hours" not in change:  # time was all that was missing there
        assert late.action == "abort"
        assert "no answer after 200 h" in late.reasons[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"failed": 3}, "3 of 1000 answers are no numbers"),
        ({"challenger_flagged": 150}, "surely more than 8.0%"),
        ({"pairs": 60, "challenger_flagged": 40, "champion_flagged": 1}, "surely more than"),
        ({"challenger_flagged": 0}, "surely less than 1.0%"),
        ({"challenger_p95_ms": 101.0}, "the objective 100 ms"),
        ({"challenger_p95_ms": 12.0}, "its P95 is 12.0 ms, the champion's 0.4 ms"),
        ({"loss": PairedLoss(120, 0.4, 0.1, 0.2, 0.4)}, "worse on 120 labelled tickets"),
    ],
)
def test_what_is_surely_wrong_is_aborted_at_once(change: dict[str, object], said: str) -> None:
    decision = judge_shadow(replace(GOOD, hours=0.2, **change), POLICY)  # type: ignore[arg-type] - fields
    assert decision.action == "abort"
    assert said in decision.reasons[0]


def test_a_challenger_that_mends_a_flooding_champion_is_not_held_to_it() -> None:
    """After a drift the champion flags every third ticket; who flags what the hold-out promised is right to disagree."""
    evidence = replace(GOOD, champion_flagged=330, challenger_flagged=25, agreed=690)
    assert judge_shadow(evidence, POLICY).action == "promote"


def test_nothing_seen_is_waited_for() -> None:
    nothing = replace(GOOD, pairs=0, agreed=0, challenger_flagged=0, champion_flagged=0, hours=0.0)
    assert judge_shadow(nothing, POLICY).reasons == (
        "0 of 200 predictions beside the champion's",
        "0.0 of 24 h in shadow",
    )


def test_a_few_labels_decide_nothing() -> None:
    assert judge_shadow(replace(GOOD, loss=PairedLoss(29, 0.9, 0.1, 0.5, 1.0)), POLICY).action == "promote"


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_limits_hold_what_is_known(first: float, second: float) -> None:
    limits = flag_limits((first, second), POLICY)
    assert limits is not None
    assert limits[0] <= min(first, second) <= max(first, second) <= limits[1] <= 1.0


def test_a_sound_champion_is_kept_and_a_young_one_is_unknown() -> None:
    assert judge_champion(LIVE, POLICY).action == "keep"
    young = judge_champion(replace(LIVE, answers=Answers(49, 40, 0)), POLICY)
    assert (young.action, young.reasons) == ("keep", ("unknown yet: 49 answers, 50 tell",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": Answers(60, 30, 0)}, "surely more than 8.0%"),
        ({"answers": Answers(400, 9, 60)}, "took more than 100 ms"),
        ({"quality_lost": (True, True, False), "quality_lost_before": False}, "below its objective in 2 measures"),
    ],
)
def test_a_champion_that_burns_a_budget_is_rolled_back(change: dict[str, object], said: str) -> None:
    burning = replace(LIVE, **change)  # type: ignore[arg-type] - fields
    decision = judge_champion(burning, POLICY)
    assert decision.action == "rollback"
    assert said in decision.reasons[0]
    nowhere = judge_champion(replace(burning, returnable=False), POLICY)
    assert nowhere.action == "keep"
    assert "a person decides" in nowhere.reasons[-1]
    assert judge_champion(replace(burning, hours=169.0), POLICY).action == "keep", (
        "what is old is not this rollout's"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"answers": Answers(400, 9, 60), "before": Answers(400, 9, 60)},
        {"answers": Answers(400, 9, 60), "before": Answers()},
        {"quality_lost": (True, True), "quality_lost_before": True},
        {"quality_lost": (True, True), "quality_lost_before": None},
        {"quality_lost": (True, None), "quality_lost_before": False},
        {"quality_lost": (True,), "quality_lost_before": False},
    ],
)
def test_what_was_so_before_is_not_laid_at_its_door(change: dict[str, object]) -> None:
    assert judge_champion(replace(LIVE, **change), POLICY).action == "keep"  # type: ignore[arg-type] - fields


def pair(ticket: str, mine: str, other: str, share: float = 0.1) -> dict[str, object]:
    review = sample(ticket, flagged=other == "anomaly", audit_share=share)
    return {
        "ticket_id": ticket, "decision": mine, "champion_decision": other, "score": 0.5, "champion_score": 0.4,
        "latency_ms": 1.0, "champion_latency_ms": 2.0, "agreed": mine == other, "review": review.review,
        "review_probability": review.probability,
    }  # fmt: skip


def drawn(count: int, share: float = 0.1, *, audited: bool = True) -> list[str]:
    """Tickets that the audit draws, or does not."""
    wanted = "audit" if audited else "unsolicited"
    ids = (f"t{i}" for i in range(100_000))
    return list(islice((t for t in ids if sample(t, flagged=False, audit_share=share).review == wanted), count))


def test_labels_are_weighed_by_how_probable_their_review_was() -> None:
    audited, others = drawn(1), drawn(9, audited=False)
    pairs = [
        pair("a", "anomaly", "anomaly"),
        pair(audited[0], "anomaly", "normal"),
        *(pair(t, "normal", "normal") for t in others),
    ]
    found = shadow_evidence("anomaly", pairs, {"a": 1.0, audited[0]: 0.0}, hours=1.0)
    assert (found.pairs, found.agreed, found.challenger_flagged, found.champion_flagged) == (11, 10, 2, 1)
    assert found.shift == pytest.approx(0.1)
    assert found.loss is not None
    assert (found.loss.n, found.loss.champion) == (2, 0.0)
    assert found.loss.challenger == pytest.approx(10 / 11), "the audited ticket stands for ten"
    assert found.loss.low <= found.loss.challenger <= found.loss.high


def test_verdicts_that_nobody_asked_for_stand_for_nobody() -> None:
    asked = [pair(f"f{i}", "anomaly", "anomaly", 0.01) for i in range(40)]
    odd = drawn(406, 0.01, audited=False)
    pairs = [*asked, *(pair(t, "normal", "normal", 0.01) for t in odd[:400])]
    # Six tickets that somebody judged without being asked; the challenger is wrong about them.
    pairs += [pair(t, "anomaly", "normal", 0.01) for t in odd[400:]]
    labels = {f"f{i}": 1.0 for i in range(40)} | dict.fromkeys(odd[400:], 0.0)
    found = shadow_evidence("anomaly", pairs, labels, hours=30.0, promised_share=0.1)
    assert found.loss is not None
    assert (found.loss.n, found.loss.challenger, found.loss.champion) == (40, 0.0, 0.0)
    assert judge_shadow(found, POLICY).action == "promote"


def test_a_ticket_that_was_flagged_at_another_stage_is_asked_about_whatever_the_audit_draws() -> None:
    tickets = drawn(40, 0.01, audited=False)
    created = [pair(t, "anomaly" if i % 2 else "normal", "normal", 0.01) for i, t in enumerate(tickets)]
    ended = [pair(t, "anomaly", "anomaly", 0.01) for t in tickets]
    found = shadow_evidence("anomaly", [*created, *ended], dict.fromkeys(tickets, 1.0), hours=30.0)
    assert found.loss is not None
    assert (found.loss.n, found.loss.challenger, found.loss.champion) == (40, 0.25, 0.5)
    # Both pairs of a ticket hang on one verdict: 40 cases of a difference of 0 or 1/2, not 80 of 0 or 1.
    assert found.loss.high - found.loss.low == pytest.approx(2 * 1.96 * 0.25 / np.sqrt(40), rel=0.05)


def test_answers_that_are_no_numbers_count_as_failed() -> None:
    pairs = [{"p50_ms": value, "champion_p50_ms": 1_000.0, "ticket_id": str(i)}
             for i, value in enumerate((1_000.0, float("nan"), None))]  # fmt: skip
    found = shadow_evidence("scheduling", pairs, {"0": 1_000.0, "1": 1_000.0}, hours=1.0)
    assert (found.failed, found.shift, found.loss) == (2, 0.0, None)
