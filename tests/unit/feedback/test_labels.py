"""From verdicts to labels for training: only what is settled, and no verdict changes what was known before it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neural_hive_ml.feedback.labels import settled
from neural_hive_ml.feedback.verdict import ANSWERS, Verdict, by_ticket, resolve
from neural_hive_ml.training.labels import labels_of

VERDICTS = st.lists(
    st.tuples(st.sampled_from("tuv"), st.sampled_from("abc"), st.sampled_from(ANSWERS), st.integers(0, 9)),
    max_size=12,
)


def verdicts_of(drawn: list[tuple[str, str, str, int]]) -> list[Verdict]:
    return [Verdict(str(k), at, t, answer, who, k) for k, (t, who, answer, at) in enumerate(drawn)]  # type: ignore[arg-type]


def known(verdicts: list[Verdict], before_ms: int) -> list[int]:
    names = np.array(["t", "u", "v"], dtype=object)
    return labels_of(settled(verdicts), names, np.full(3, before_ms)).tolist()


@given(VERDICTS)
def test_a_label_is_what_the_rule_resolves(drawn: list[tuple[str, str, str, int]]) -> None:
    said = verdicts_of(drawn)
    groups = by_ticket(said)
    for ticket, label in zip("tuv", known(said, 10), strict=True):
        found = resolve(groups.get(ticket, []))
        assert label == {"anomaly": 1, "normal": 0}.get(found.label if found else "", -1)


@given(VERDICTS, st.integers(0, 10))
def test_a_verdict_changes_nothing_that_was_known_before_it(
    drawn: list[tuple[str, str, str, int]], moment: int
) -> None:
    said = verdicts_of(drawn)
    assert known(said, moment) == known([one for one in said if one.at_ms < moment], moment)
