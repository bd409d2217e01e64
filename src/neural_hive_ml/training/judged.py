"""The rows that judge a detector: the window's tickets with anomalies injected after the fit part, at each stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.injections import Injected, inject
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import FeatureFrame, RunningMoments
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.training.labels import TicketLabel, labels_of
from neural_hive_ml.training.split import TimeSplit
from neural_hive_ml.training.window import Earlier, window_frame

INJECTED_SHARE = 0.02
# The kind of an anomaly that people named.
VERDICT = "verdict"
# Looked at while running: enough to judge by, bounded so that a large window stays quick.
_MOST_LOOKS = 60_000


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Rows of all stages with their truth: `kind` [n] names the injection, is ``verdict`` for a ticket that people called an
    anomaly, or is empty; `verdict` [n] is 1 anomaly, 0 normal, -1 nobody said; `part` [n] is 0 fit, 1 validation,
    2 hold-out, by creation; -1 for a row of a ticket that outlived its part: nobody had seen it when the next part began.
    """

    frame: FeatureFrame
    ticket_id: npt.NDArray[np.object_]
    kind: npt.NDArray[np.object_]
    verdict: npt.NDArray[np.int8]
    part: npt.NDArray[np.int8]
    created_at_ms: npt.NDArray[np.int64]
    status: npt.NDArray[np.int8]
    digest: str

    @property
    def label(self) -> npt.NDArray[np.float64]:
        """1.0 where the ticket is an anomaly: injected, or called one by people."""
        return np.asarray(self.kind != "", dtype=np.float64)


def judged_rows(
    columns: TicketColumns,
    binding: FeatureBinding,
    split: TimeSplit,
    seed: int,
    share: float = INJECTED_SHARE,
    labels: Sequence[TicketLabel] = (),
    earlier: Earlier | None = None,
) -> JudgedRows:
    """Inject a share of named anomalies after the fit part and build the rows of every stage, point in time.

    The injected tickets are learned from as the stream goes on, as a live service would; the statistics made here are
    thrown away. A verdict counts where it was given before the hold-out began, on a ticket of the hold-out before the
    window ended. The same columns, split, seed and labels give the same rows.
    """
    rng = np.random.default_rng([seed, 7])
    injected = inject(columns, columns.created_at_ms >= split.validation_from_ms, share, rng)
    looks = _looks(injected, rng)
    frame, _ = window_frame(injected.columns, binding, ("created", "ended"), earlier, looks)
    kind, verdict = _with_verdicts(injected, split, labels)
    created = injected.columns.created_at_ms[frame.ticket]
    text = "\n".join(
        f"{i}{k}{v}" for i, k, v in zip(injected.columns.ticket_id, kind, verdict.tolist(), strict=True)
    )
    return JudgedRows(
        frame,
        injected.columns.ticket_id[frame.ticket],
        kind[frame.ticket],
        verdict[frame.ticket],
        _part(created, frame.at_ms, split),
        created,
        injected.columns.status[frame.ticket],
        sha256(f"{text}{split}".encode()).hexdigest(),
    )


def _with_verdicts(
    injected: Injected, split: TimeSplit, labels: Sequence[TicketLabel]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int8]]:
    """Kinds and verdicts by ticket. A ticket that was changed is no longer the one that people judged."""
    holdout = split.part(injected.columns.created_at_ms) == 2
    known_before = np.where(holdout, split.until_ms, split.holdout_from_ms)
    verdict = labels_of(labels, injected.columns.ticket_id, known_before)
    verdict[injected.label] = -1
    kind = injected.kind.copy()
    kind[verdict == 1] = VERDICT
    return kind, verdict


def _part(
    created_at_ms: npt.NDArray[np.int64], at_ms: npt.NDArray[np.int64], split: TimeSplit
) -> npt.NDArray[np.int8]:
    part = split.part(created_at_ms)
    over = np.array([split.validation_from_ms, split.holdout_from_ms, split.until_ms + 1])[part]
    return np.where(at_ms < over, part, -1).astype(np.int8)


def _looks(injected: Injected, rng: np.random.Generator) -> RunningMoments:
    """One look at each ticket at a random moment of its run."""
    c = injected.columns
    ran = (c.started_at_ms != MISSING_MS) & (c.completed_at_ms > c.started_at_ms)
    who = np.flatnonzero(ran)
    if len(who) > _MOST_LOOKS:
        marked = injected.label[who]
        plain = rng.choice(who[~marked], size=_MOST_LOOKS - int(marked.sum()), replace=False)
        who = np.sort(np.concatenate([who[marked], plain]))
    lasted = c.completed_at_ms[who] - c.started_at_ms[who]
    return RunningMoments(
        who.astype(np.intp), c.started_at_ms[who] + (rng.uniform(0.05, 0.95, len(who)) * lasted).astype(np.int64)
    )
