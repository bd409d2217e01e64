"""Holidays of a country as days with an effect: what Prophet found for each name, on its dates past and to come."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.errors import UsageError
from neural_hive_ml.features.series import Ints

Floats = npt.NDArray[np.float64]

# A model is replaced long before; a history that it reads is weeks long.
_YEARS_BACK, _YEARS_AHEAD = 1, 2


def checked_country(code: str) -> str:
    """Return a country's code as the calendar knows it, or "" for none.

    Raises
    ------
    UsageError
        For a country whose holidays are not known.

    >>> checked_country("br")
    'BR'
    """
    code = code.strip().upper()
    if code:
        import holidays

        if code not in holidays.list_supported_countries():
            raise UsageError(
                f"LOAD_HOLIDAYS_COUNTRY={code}: no holidays are known of it",
                remedy="an ISO 3166 code, as BR or US, or empty for none",
            )
    return code


def holiday_effects(effects: Mapping[str, float], country: str, end_ms: int) -> tuple[Ints, Floats]:
    """Lay effects (in log1p of counts, by holiday) on days around the end of training: (epoch days, effects), by day.

    A name that was not seen in training has no effect; those that fall together add up.
    """
    if not effects:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    from prophet.make_holidays import make_holidays_df

    year = int(np.datetime64(end_ms // DAY_MS, "D").astype("datetime64[Y]").astype(int)) + 1970
    years = range(year - _YEARS_BACK, year + _YEARS_AHEAD + 1)
    found: dict[int, float] = {}
    for date, name in make_holidays_df(list(years), country)[["ds", "holiday"]].itertuples(index=False):
        if name in effects:
            day = int(date.value // (DAY_MS * 1_000_000))
            found[day] = found.get(day, 0.0) + effects[name]
    days = sorted(found)
    return np.array(days, dtype=np.int64), np.array([found[day] for day in days])
