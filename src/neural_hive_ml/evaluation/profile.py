"""The reference profile of a model: how its features were spread, hour of the week by hour of the week.

It travels in the artifact as JSON. Drift compares the present with it and needs no reference rows (ADR 0001,
decision 8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.evaluation.binning import BINS, Binning, bin_of, codes_of
from neural_hive_ml.evaluation.directions import QuietShifts, block_diagonal, directions
from neural_hive_ml.evaluation.quiet import HourlyCounts, Quiet, QuietWindows, by_cell, quiet_windows
from neural_hive_ml.evaluation.seasons import CELLS, Level, cells_of_hours, choose_level, hours_of
from neural_hive_ml.features.frame import STAGES, FeatureFrame, Stage
from neural_hive_ml.features.spec import CREATION_COUNT, FEATURES, INDEX, NAMES, FeatureSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
PROFILE_FORMAT: Final = 1
# Numbers in all tables together; a profile stays under 300 KB of JSON.
MAX_COUNTS: Final = 66_000
TARGET: Final = "target"
PREDICTION: Final = "prediction"
RESIDUAL: Final = "residual"

# What the world does to us is judged; what our memory makes of it (per-task statistics, familiarity) follows
# from it, moves with every ticket by construction, and is not. Calendar features are the season itself.
_CALENDAR: Final = ("hour_", "weekday_", "weekend", "business_hours")
_MEMORY: Final = ("task_", "owner_", "same_", "type_", "risk_", "capability_set_", "all_")
_MEMORY_OF_END: Final = ("z_", "excess_", "is_running", "is_ended", "has_duration")


def judged(name: str) -> bool:
    """Return whether a feature's distribution is the world's own, so that a change of it is drift.

    >>> judged("log_duration"), judged("task_fast_mean"), judged("hour_sin"), judged("type_build")
    (True, False, False, True)
    """
    spec = _SPECS.get(name)
    if spec is None:
        return True
    if not spec.stationary or name.startswith(_CALENDAR) or name.endswith("_familiar"):
        return False
    position = NAMES.index(name)
    if position >= CREATION_COUNT:
        return not name.startswith(_MEMORY_OF_END)
    return position < _FIRST_MEMORY


_SPECS: Final[dict[str, FeatureSpec]] = {f.name: f for f in FEATURES}
_FIRST_MEMORY: Final = next(i for i, name in enumerate(NAMES) if name == "task_created")


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """One feature: how it is cut, its reference `counts` [cells, bins], `center` and `scale` (median, 1.4826
    MAD) in `unit`.
    """

    name: str
    unit: str
    binning: Binning
    counts: Ints
    center: float
    scale: float
    quiet: QuietWindows


@dataclass(frozen=True, slots=True)
class Profile:
    """A reference profile, read.

    `stage` says which rows it describes: ``ended`` tickets at their end, ``created`` ones. `answers` profiles
    the model's own out-of-sample predictions and residuals, over the rows that have one.
    """

    stage: Stage
    level: Level
    timezone: str
    from_ms: int
    until_ms: int
    rows: int
    features: tuple[FeatureProfile, ...]
    answers: "Profile | None" = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the judged features, in order."""
        return tuple(f.name for f in self.features)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-able form that artifacts carry."""
        answers = {} if self.answers is None else {"answers": self.answers.to_document()}
        return {
            **answers,
            "format": PROFILE_FORMAT,
            "stage": self.stage,
            "level": self.level,
            "timezone": self.timezone,
            "from_ms": self.from_ms,
            "until_ms": self.until_ms,
            "rows": self.rows,
            "features": [
                {
                    "name": f.name,
                    "unit": f.unit,
                    "binning": f.binning.to_document(),
                    "counts": f.counts.tolist(),
                    "center": f.center,
                    "scale": f.scale,
                    "quiet": {
                        "hellinger": [_rounded(q) for q in f.quiet.hellinger],
                        "ks": [_rounded(q) for q in f.quiet.ks],
                    },
                    "shifts": [_rounded(q) for q in f.quiet.shifts],
                }
                for f in self.features
            ],
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Profile":
        """Read what `to_document` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        if document["format"] != PROFILE_FORMAT:
            raise ValueError(f"profile format {document['format']!r} is not {PROFILE_FORMAT}")
        return Profile(
            stage=document["stage"],
            level=document["level"],
            timezone=document["timezone"],
            from_ms=document["from_ms"],
            until_ms=document["until_ms"],
            rows=document["rows"],
            features=tuple(
                FeatureProfile(
                    name=f["name"],
                    unit=f["unit"],
                    binning=Binning.from_document(f["binning"]),
                    counts=np.asarray(f["counts"], dtype=np.int64),
                    center=f["center"],
                    scale=f["scale"],
                    quiet=QuietWindows(
                        tuple(Quiet.from_document(q) for q in f["quiet"]["hellinger"]),
                        tuple(Quiet.from_document(q) for q in f["quiet"]["ks"]),
                        # Profiles of releases before directions were measured have none.
                        tuple(QuietShifts.from_document(q) for q in f.get("shifts", ())),
                    ),
                )
                for f in document["features"]
            ),
            answers=Profile.from_document(document["answers"]) if "answers" in document else None,
        )


def model_profile(
    frame: FeatureFrame,
    *,
    stage: Stage = "ended",
    predictions: Floats | None = None,
    of_durations: bool = True,
    timezone: str = "UTC",
) -> dict[str, Any]:
    """Profile the rows of one stage of a training frame; what trainers put into `PackedModel.profile`.

    `predictions` [rows of the frame] are out-of-sample answers, NaN where there is none: those of a model's own training
    data are closer than any future ones and would call every day drift. `of_durations` says that they are log1p ms and
    their residuals are profiled too; a detector's scores have no truth.
    """
    of_stage = frame.stage == STAGES[stage]
    kept = [i for i, name in enumerate(NAMES) if judged(name)]
    rows = frame.rows[of_stage]
    return build_profile(
        rows[:, kept],
        [NAMES[i] for i in kept],
        frame.at_ms[of_stage],
        predictions=None if predictions is None else predictions[of_stage],
        truth=None if predictions is None or not of_durations else rows[:, INDEX["log_duration"]],
        timezone=timezone,
        stage=stage,
    )


def build_profile(
    rows: Floats,
    names: Sequence[str],
    at_ms: Ints,
    target: Floats | None = None,
    predictions: Floats | None = None,
    *,
    truth: Floats | None = None,
    timezone: str = "UTC",
    stage: Stage = "ended",
    bins: int = BINS,
) -> dict[str, Any]:
    """Profile rows [n, D] seen at `at_ms` [n]; columns whose name is a non-judged feature are left out.

    `target` [n], where given, is profiled as a column of that name. Where `predictions` [n] are finite they are
    profiled as ``prediction`` and, beside `truth` (default: the target), as ``residual`` = truth - prediction.
    Returns a JSON-able document below 300 KB. O(n D log n).

    >>> at = np.arange(48) * 3_600_000
    >>> build_profile(np.arange(48.0)[:, None] % 7, ["x"], at)["features"][0]["binning"]["edges"]
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    columns = [(name, rows[:, i]) for i, name in enumerate(names) if judged(name)]
    if target is not None:
        columns.append((TARGET, target))
    profile = _profile(columns, at_ms, timezone, stage, bins)
    if predictions is not None:
        answered = np.isfinite(predictions)
        answers = answer_columns(predictions[answered], (target if truth is None else truth), answered)
        profile = replace(profile, answers=_profile(answers, at_ms[answered], timezone, stage, bins))
    return profile.to_document()


def answer_columns(
    predictions: Floats, truth: Floats | None, answered: npt.NDArray[np.bool_]
) -> list[tuple[str, Floats]]:
    """Return the predictions and, where the truth is known, how far it was from them."""
    columns = [(PREDICTION, predictions)]
    if truth is not None:
        columns.append((RESIDUAL, truth[answered] - predictions))
    return columns


def _profile(
    columns: Sequence[tuple[str, Floats]], at_ms: Ints, timezone: str, stage: Stage, bins: int
) -> Profile:
    binnings = [bin_of(values, bins) for _, values in columns]
    n = len(at_ms)
    span_days = float(at_ms.max() - at_ms.min()) / DAY_MS if n else 0.0
    level = choose_level(n, span_days, sum(b.bins for b in binnings), MAX_COUNTS)
    hourly = _hourly(columns, binnings, at_ms, level, timezone)
    table = by_cell(hourly)
    quiet = quiet_windows(hourly, table)
    features = []
    for f, ((name, values), binning) in enumerate(zip(columns, binnings, strict=True)):
        known = values[np.isfinite(values)]
        center = float(np.median(known)) if len(known) else 0.0
        scale = float(1.4826 * np.median(np.abs(known - center))) if len(known) else 0.0
        unit = _SPECS[name].unit if name in _SPECS else ""
        counts = table[:, hourly.begin[f] : hourly.begin[f + 1]].astype(np.int64)
        features.append(FeatureProfile(name, unit, binning, counts, center, scale, quiet[f]))
    return Profile(
        stage=stage,
        level=level,
        timezone=timezone,
        from_ms=int(at_ms.min()) if n else 0,
        until_ms=int(at_ms.max()) + 1 if n else 0,
        rows=n,
        features=tuple(features),
    )


def _hourly(
    columns: Sequence[tuple[str, Floats]], binnings: Sequence[Binning], at_ms: Ints, level: Level, timezone: str
) -> HourlyCounts:
    begin = np.concatenate(([0], np.cumsum([b.bins for b in binnings]))).astype(np.intp)
    hours, position = np.unique(hours_of(at_ms), return_inverse=True)
    counts = np.zeros((len(hours), int(begin[-1])), dtype=np.float32)
    for f, ((_, values), binning) in enumerate(zip(columns, binnings, strict=True)):
        flat = np.bincount(
            position * binning.bins + codes_of(values, binning), minlength=len(hours) * binning.bins
        )
        counts[:, begin[f] : begin[f + 1]] = flat.reshape(len(hours), binning.bins)
    ways = [
        directions(b, counts[:, lo:hi].sum(axis=0, dtype=np.float64))
        for b, (lo, hi) in zip(binnings, pairwise(begin), strict=True)
    ]
    return HourlyCounts(
        hours=hours,
        cells=cells_of_hours(hours, level, timezone),
        cell_count=CELLS[level],
        counts=counts,
        rows=np.bincount(position, minlength=len(hours)).astype(np.float64),
        begin=begin,
        ordered=[b.ordered if b.kind == "numeric" else 0 for b in binnings],
        scores=block_diagonal(ways),
        direction=np.concatenate(([0], np.cumsum([len(w) for w in ways]))).astype(np.intp),
    )


def _rounded(quiet: Quiet | QuietShifts) -> dict[str, Any]:
    return {k: _four_digits(v) for k, v in asdict(quiet).items()}


def _four_digits(value: float | Sequence[float]) -> float | list[float]:
    if isinstance(value, Sequence):
        return [round(v, 4) for v in value]
    return round(value, 4) if isinstance(value, float) else value
