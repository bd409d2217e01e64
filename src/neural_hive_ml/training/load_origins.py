"""Rolling origins of the hold-out: the moments a load model is judged at, with the history it may look at."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.features.series import CountSeries, local_ms
from neural_hive_ml.scoring.load_base import WEEK_HOURS
from neural_hive_ml.scoring.load_window import histories

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_HOURS = 7 * 24
_HOLDOUT_SHARE = 0.30
_HOLDOUT_MOST_HOURS = 28 * 24
_ORIGINS = 120


@dataclass(frozen=True, slots=True)
class Origins:
    """`counts` [n, 672] before each origin, `truth` [n, hours ahead] after it, `at_ms` [n] the origin."""

    at_ms: Ints
    counts: Floats
    truth: Floats

    @property
    def totals(self) -> Floats:
        """True horizon totals [n]."""
        return np.asarray(self.truth.sum(axis=1))

    @property
    def day(self) -> Ints:
        """Epoch day of each origin: windows of one day overlap, so they are resampled together."""
        return np.asarray(self.at_ms // DAY_MS)

    @property
    def digest(self) -> str:
        """SHA-256 of the origins and what came after them."""
        return sha256(self.at_ms.tobytes() + self.truth.tobytes()).hexdigest()


def origins_at(hours: CountSeries, index: npt.NDArray[np.intp], hours_ahead: int) -> Origins:
    """Lay out the origins before hour `index` [n] of the series, each with `hours_ahead` hours after it."""
    return Origins(
        hours.start_ms + index.astype(np.int64) * HOUR_MS,
        histories(hours.counts, index),
        sliding_window_view(hours.counts, hours_ahead)[index],
    )


def ahead_ms(at_ms: Ints, hours_ahead: int, timezone: str) -> Ints:
    """Return the wall-clock ms of the hours after each origin, [n, ahead]."""
    times = at_ms[:, None] + np.arange(hours_ahead, dtype=np.int64) * HOUR_MS
    return local_ms(times.ravel(), timezone).reshape(times.shape)


def split_hours(hours: CountSeries, hours_ahead: int) -> int:
    """Return the first hour of the hold-out: the last 30 %, at most four weeks.

    Raises
    ------
    NotEnoughData
        When less than a week would be left to learn from.
    """
    held = min(int(len(hours) * _HOLDOUT_SHARE), _HOLDOUT_MOST_HOURS)
    first = len(hours) - held
    if first < FEWEST_HOURS or held < hours_ahead + 24:
        raise NotEnoughData(
            f"{len(hours)} hours of completions: a week to learn from and {hours_ahead + 24} h to judge on are needed",
            have=len(hours),
            need=int((hours_ahead + 24 + FEWEST_HOURS) / (1 - _HOLDOUT_SHARE)) + 1,
            remedy="a longer --training-window-days",
        )
    return first


def holdout_origins(hours: CountSeries, first: int, hours_ahead: int) -> Origins:
    """Spread up to 120 origins over the hold-out, the step coprime to 24 so that every hour of the day is met."""
    room = len(hours) - first - hours_ahead
    step = max(room // _ORIGINS, 1)
    while step > 1 and np.gcd(step, 24) != 1:
        step -= 1
    return origins_at(hours, np.arange(first, first + room + 1, step), hours_ahead)


def seasonal_naive(origins: Origins) -> Floats:
    """Repeat last week's hours [n, hours ahead]; yesterday's where last week is not known."""
    ahead = origins.truth.shape[1]
    week = origins.counts[:, -WEEK_HOURS:][:, :ahead]
    return np.where(np.isfinite(week), week, np.nan_to_num(origins.counts[:, -24:][:, :ahead]))


def hour_of_week_level(origins: Origins) -> Floats:
    """Mean of the same hour over four weeks times the ratio of the last six hours to theirs, fading with a day.

    Where less is known the mean is over the weeks there are. [n, hours ahead].
    """
    ahead = origins.truth.shape[1]
    usual = _week_mean(origins.counts, np.arange(ahead))
    before = _week_mean(origins.counts, np.arange(-6, 0))
    now = np.nan_to_num(origins.counts[:, -6:]).sum(axis=1)
    ratio = ((now + 1.0) / (before.sum(axis=1) + 1.0)).clip(0.1, 10.0)
    fade = np.exp(-np.arange(ahead) / 12.0)
    return np.asarray(usual * ratio[:, None] ** fade)


def last_hour(origins: Origins) -> Floats:
    """Repeat the last hour [n, hours ahead]."""
    return np.repeat(np.nan_to_num(origins.counts[:, -1:]), origins.truth.shape[1], axis=1)


def _week_mean(counts: Floats, lead: npt.NDArray[np.int64]) -> Floats:
    weeks = np.stack([counts[:, (counts.shape[1] + lead - WEEK_HOURS * j) % counts.shape[1]] for j in range(1, 5)])
    if lead[0] < 0:  # hours before the origin: four weeks back would leave the window
        weeks = weeks[:3]
    known = np.isfinite(weeks)
    return np.asarray(np.where(known, weeks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
