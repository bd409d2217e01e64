"""Verdicts: what label follows from them, and what the store keeps of them."""

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import LEDGER, PREDICTIONS, VERDICTS
from neural_hive_ml.errors import NotFound, UsageError
from neural_hive_ml.feedback.desk import PAGE, VerdictDesk
from neural_hive_ml.feedback.rate import verdict_stats
from neural_hive_ml.feedback.verdict import ANSWERS, Verdict, resolve
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record

NOW = 1_700_000_000_000


def said(author: str, verdict: str, number: int = 0) -> Verdict:
    return Verdict(f"{author}{number}", NOW + number, "t", verdict, author, number)  # type: ignore[arg-type]


@pytest.fixture
def desk() -> VerdictDesk:
    state = MemoryStateStore()
    return VerdictDesk(state, Ledger(state), 0.1)


def predict(desk: VerdictDesk, key: str, ticket: str, review: str | None, at_ms: int = NOW) -> None:
    document = {"ticket_id": ticket, "review": review, "model_name": "anomaly-detector-isolation_forest"}
    desk.state.put(PREDICTIONS, Record(key, at_ms, document))


@pytest.mark.parametrize(
    ("verdicts", "label", "conflicting"),
    [
        ([said("a", "anomaly")], "anomaly", False),
        ([said("a", "unsure")], "unsure", False),
        ([said("a", "unsure"), said("b", "normal")], "normal", False),
        ([said("a", "anomaly"), said("b", "normal")], "disputed", True),
        ([said("a", "anomaly"), said("b", "normal"), said("c", "normal")], "normal", True),
        # Who changes their mind has one vote, the last.
        ([said("a", "anomaly"), said("a", "normal", 1)], "normal", False),
        ([said("a", "anomaly"), said("a", "normal", 1), said("a", "anomaly", 2)], "anomaly", False),
        ([said("a", "anomaly"), said("a", "unsure", 1), said("b", "normal")], "normal", False),
    ],
)
def test_the_rule(verdicts: list[Verdict], label: str, conflicting: bool) -> None:
    for order in permutations(verdicts):
        found = resolve(order)
        assert found is not None
        assert (found.label, found.conflicting) == (label, conflicting)
        assert found.authors == len({one.author for one in verdicts})


def test_nobody_spoke() -> None:
    assert resolve([]) is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(ANSWERS)), max_size=12))
def test_the_label_is_that_of_a_count_by_hand(given_: list[tuple[str, str]]) -> None:
    verdicts = [said(author, answer, number) for number, (author, answer) in enumerate(given_)]
    found, last = resolve(verdicts), list(dict(given_).values())
    if not last:
        assert found is None
        return
    lead = last.count("anomaly") - last.count("normal")
    expected = "anomaly" if lead > 0 else "normal" if lead < 0 else "disputed" if "normal" in last else "unsure"
    assert found is not None
    assert found.label == expected


def test_the_same_again_changes_nothing_and_another_is_kept_beside(desk: VerdictDesk) -> None:
    first = desk.take("anomaly", author="ana", at_ms=NOW, ticket_id="t")
    again = desk.take("anomaly", author="ana", at_ms=NOW + 5, ticket_id="t")
    assert (first.new, first.first, again.new, again.first) == (True, True, False, False)
    assert again.verdict == first.verdict
    other = desk.take("normal", author="rui", at_ms=NOW + 6, ticket_id="t")
    assert (other.new, other.first, other.resolution.label) == (True, False, "disputed")
    # Back and forth: each change of mind counts, also to what was said before.
    assert desk.take("normal", author="ana", at_ms=NOW + 7, ticket_id="t").resolution.label == "normal"
    assert desk.take("anomaly", author="ana", at_ms=NOW + 8, ticket_id="t").new
    assert [one.verdict for one in desk.of_ticket("t")] == ["anomaly", "normal", "normal", "anomaly"]
    assert desk.state.count(VERDICTS) == 4
    stats = verdict_stats(desk.between())
    assert (stats.verdicts, stats.tickets, stats.conflicting, stats.authors) == (4, 1, 1, 2)
    assert stats.by_label == {"disputed": 1}


def test_the_ledger_has_every_verdict_once_and_no_personal_data(desk: VerdictDesk) -> None:
    predict(desk, "p1", "ticket-of-ana", "flagged")
    for _ in range(3):
        desk.take("normal", author="ana@example.org", at_ms=NOW, prediction_id="p1", note="call Rui, 555 0199")
    events = list(desk.ledger.events())
    assert [(e.kind, e.subject, e.actor) for e in events] == [
        ("human_verdict", personal("ticket-of-ana"), personal("ana@example.org"))
    ]
    text = str([r.document for r in desk.state.find(LEDGER)])
    assert not any(word in text for word in ("ana@", "ticket-of-ana", "Rui", "p1'"))
    assert desk.ledger.verify().intact


def test_an_event_lost_between_the_two_writes_is_made_good_by_the_retry(desk: VerdictDesk) -> None:
    desk.take("normal", author="ana", at_ms=NOW, ticket_id="t")
    desk.state.delete(LEDGER, [r.key for r in desk.state.find(LEDGER)])
    assert desk.take("normal", author="ana", at_ms=NOW + 1, ticket_id="t").new is False
    assert len(list(desk.ledger.events())) == 1


def test_what_a_verdict_is_about(desk: VerdictDesk) -> None:
    predict(desk, "created", "t", "audit", NOW)
    predict(desk, "ended", "t", None, NOW + 9)
    # A ticket's prediction that is up for review is the one that was judged, else its newest.
    assert desk.take("normal", author="a", at_ms=NOW + 10, ticket_id="t").verdict.review == "audit"
    predict(desk, "alone", "u", None)
    taken = desk.take("normal", author="a", at_ms=NOW + 10, ticket_id="u").verdict
    assert (taken.review, taken.prediction_id) == ("unsolicited", "alone")
    assert desk.take("normal", author="a", at_ms=NOW + 10, ticket_id="never seen").verdict.prediction_id == ""
    with pytest.raises(NotFound):
        desk.take("normal", author="a", at_ms=NOW, prediction_id="none")
    with pytest.raises(UsageError, match="another ticket"):
        desk.take("normal", author="a", at_ms=NOW, prediction_id="alone", ticket_id="t")
    with pytest.raises(UsageError, match="neither"):
        desk.take("normal", author="a", at_ms=NOW)


def test_the_rate_is_of_what_was_asked_in_the_week(desk: VerdictDesk) -> None:
    assert (desk.standing(NOW).rate.value, desk.standing(NOW).rate.met) == (None, None)
    for number in range(20):
        predict(desk, f"p{number}", f"t{number}", "flagged" if number % 2 else "audit", NOW - number)
    predict(desk, "old", "t-old", "flagged", NOW - 8 * DAY_MS)
    predict(desk, "unasked", "t-unasked", None, NOW)
    for ticket in ("t-old", "t-unasked", "t3"):
        desk.take("normal", author="a", at_ms=NOW, ticket_id=ticket)
    found = desk.standing(NOW)
    assert (found.rate.asked, found.rate.answered, found.rate.met, found.open) == (20, 1, False, 19)
    desk.take("unsure", author="a", at_ms=NOW, ticket_id="t4")
    assert (desk.standing(NOW).rate.value, desk.standing(NOW).rate.met) == (0.1, True)
    # An even split waits for one more person, though it is answered.
    desk.take("anomaly", author="b", at_ms=NOW, ticket_id="t3")
    assert [item.ticket_id for item in desk.standing(NOW).waiting if item.ticket_id in {"t3", "t4"}] == ["t3"]
    assert desk.standing(NOW).waiting[0].ticket_id == "t0"


def test_one_key_cannot_outvote_the_others_under_invented_names(desk: VerdictDesk) -> None:
    desk.take("normal", author="ana", key_id="ana", at_ms=NOW, ticket_id="t")
    for name in ("one", "two", "three", "ana"):
        found = desk.take("anomaly", author=name, key_id="other", at_ms=NOW + 1, ticket_id="t").resolution
    assert (found.label, found.conflicting) == ("disputed", True)
    assert (
        desk.take("normal", author="rui", key_id="rui", at_ms=NOW + 2, ticket_id="t").resolution.label == "normal"
    )
    held = {(one.author, one.key_id) for one in desk.of_ticket("t")}
    assert ("ana", "ana") in held
    assert ("ana", "other") in held, "a name that somebody else wrote is another's"
    payloads = [e.payload["key"] for e in desk.ledger.events()]
    assert payloads == [personal(k) for k in ("ana", "other", "other", "other", "other", "rui")]
    # Among those who share a key the majority speaks for it.
    for name, answer in (("a", "anomaly"), ("b", "anomaly"), ("c", "normal")):
        found = desk.take(answer, author=name, key_id="team", at_ms=NOW, ticket_id="u").resolution  # type: ignore[arg-type]
    assert found.label == "anomaly"


def test_a_ticket_that_was_flagged_at_three_stages_is_one_review(desk: VerdictDesk) -> None:
    for stage in range(3):
        predict(desk, f"p{stage}", "t", "flagged", NOW - stage)
    predict(desk, "q", "u", "audit", NOW)
    assert (desk.standing(NOW).rate.asked, desk.standing(NOW).open) == (2, 2)
    desk.take("normal", author="a", at_ms=NOW, ticket_id="t")
    assert (desk.standing(NOW).rate.value, desk.standing(NOW).open) == (0.5, 1)


def test_all_pages_are_read(desk: VerdictDesk) -> None:
    verdicts = [Verdict(str(i), NOW + i // 3, f"t{i}", "normal", "a") for i in range(2 * PAGE + 1)]
    desk.state.insert(VERDICTS, [Record(v.verdict_id, v.at_ms, v.to_document()) for v in verdicts])
    assert {one.verdict_id for one in desk.between()} == {one.verdict_id for one in verdicts}


def test_the_same_verdict_sent_many_times_at_once_is_one(desk: VerdictDesk) -> None:
    def take(_: int) -> bool:
        return desk.take("anomaly", author="ana", at_ms=NOW, ticket_id="t").new

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(32))) == 1
    assert desk.state.count(VERDICTS) == 1
