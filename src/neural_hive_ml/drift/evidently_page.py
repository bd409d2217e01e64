"""The HTML report that people open, by Evidently (an extra), from a bounded sample of rows.

The reference rows are drawn from the profile itself, matched to the window's hours of the week, because a
profile keeps no rows: what Evidently draws and counts is then the same comparison that the check made. How values lie
within a bin no profile knows: there the window's own are taken, so that only what the check saw can differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.drift.check import rows_per_cell
from neural_hive_ml.drift.subject import Subject
from neural_hive_ml.drift.window import days_to_read, read_recent, window_of
from neural_hive_ml.errors import NotEnoughData, UsageError
from neural_hive_ml.evaluation.distances import expect
from neural_hive_ml.evaluation.load_profile import LoadProfile
from neural_hive_ml.evaluation.profile import FeatureProfile, Profile
from neural_hive_ml.tickets.port import TicketStore

Floats = npt.NDArray[np.float64]
MOST_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class EvidentlyFigures:
    """What Evidently computed: `share` of drifted columns by its own rule and each column's PSI."""

    share: float
    psi: dict[str, float]


def render_model(
    subject: Subject, tickets: TicketStore, *, as_of_ms: int, window_hours: float, path: Path
) -> Path:
    """Render the page of one champion's window that ends at `as_of_ms` to `path`."""
    if isinstance(subject.profile, LoadProfile):
        raise UsageError(f"{subject.name}: a load model has no feature columns", remedy="hive-ml drift report")
    columns = read_recent(tickets, as_of_ms, days_to_read(subject.model, as_of_ms, window_hours))
    window = window_of(subject.model, columns, as_of_ms, window_hours)
    current, reference, names = comparable(subject.profile, window.rows, window.at_ms, window.names)
    render(current, reference, names, path)
    return path


def comparable(
    profile: Profile, rows: Floats, at_ms: npt.NDArray[np.int64], names: Sequence[str], seed: int = 0
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return (current rows, matched reference rows, names), at most `MOST_ROWS` each; seeded.

    Raises
    ------
    NotEnoughData
        When the window is empty.
    """
    if not len(rows):
        raise NotEnoughData("no ticket ended in the window", have=0, need=1, remedy="look at an earlier --as-of")
    random = np.random.default_rng(seed)
    features = [f for f in profile.features if f.name in names]
    current = rows[:, [list(names).index(f.name) for f in features]]
    if len(current) > MOST_ROWS:
        current = current[np.sort(random.choice(len(current), MOST_ROWS, replace=False))]
    per_cell = rows_per_cell(at_ms, profile)
    size = min(profile.rows, MOST_ROWS)
    reference = np.column_stack(
        [_draw(f, per_cell, size, column, random) for f, column in zip(features, current.T, strict=True)]
    )
    return current, reference, tuple(f.name for f in features)


def _draw(
    feature: FeatureProfile, per_cell: Floats, size: int, current: Floats, random: np.random.Generator
) -> Floats:
    shares = expect(feature.counts.astype(np.float64), per_cell).shares
    quotas = np.floor(np.cumsum(shares / shares.sum()) * size + 0.5).astype(int)
    counts = np.diff(np.concatenate(([0], quotas)))
    b = feature.binning
    if b.kind == "category":
        values = np.repeat([*b.edges, np.nan, np.nan], counts)
    else:
        borders, known = np.array([b.low, *b.edges, b.high]), current[np.isfinite(current)]
        bins = np.searchsorted(b.edges, known, side="left")
        parts = []
        for i in range(b.ordered):
            inside = known[bins == i]
            drawn = (
                random.choice(inside, counts[i])
                if len(inside)
                else random.uniform(borders[i], borders[i + 1], counts[i])
            )
            parts.append(drawn)
        values = np.concatenate([*parts, np.full(counts[-1], np.nan)])
    random.shuffle(values)
    return values


def render(current: Floats, reference: Floats, names: Sequence[str], path: Path | None) -> EvidentlyFigures:
    """Run Evidently's DataDriftPreset with PSI on both samples; write its page to `path` where one is given.

    Raises
    ------
    UsageError
        When the extra is not installed.
    """
    try:
        import pandas as pd
        from evidently import Report
        from evidently.presets import DataDriftPreset
    except ImportError as error:
        raise UsageError(
            f"Evidently is not installed ({error})", remedy="pip install 'neural-hive-ml[evidently]'"
        ) from error
    usable = [
        i for i in range(len(names)) if np.isfinite(current[:, i]).any() and np.isfinite(reference[:, i]).any()
    ]
    frames = [pd.DataFrame(part[:, usable], columns=[names[i] for i in usable]) for part in (current, reference)]
    snapshot = Report([DataDriftPreset(method="psi")]).run(frames[0], frames[1])
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(path))
    return _figures(snapshot.dict()["metrics"])


def _figures(metrics: Sequence[dict[str, Any]]) -> EvidentlyFigures:
    share = float(metrics[0]["value"]["share"])
    psi = {str(m["config"]["column"]): float(m["value"]) for m in metrics[1:]}
    return EvidentlyFigures(share, psi)
