"""Hourly series of the load benchmark: the four logs' completions, and three open series of counts."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.quality import FILES
from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.series import CountSeries, count_events, from_pairs
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.files import read_documents
from neural_hive_ml.tickets.sample import sample_tickets
from neural_hive_ml.tickets.ticket import Ticket

NAB = {
    "nyc_taxi": "realKnownCause/nyc_taxi.csv",
    "elb_requests": "realAWSCloudwatch/elb_request_count_8c0756.csv",
    "Twitter_volume_AAPL": "realTweets/Twitter_volume_AAPL.csv",
}


def hourly_series() -> Iterator[tuple[str, CountSeries | None]]:
    """Yield each series, None where its file is absent."""
    yield "flights2013", _completed(sample_tickets())
    folder = os.environ.get("HIVE_BENCH_DATA", "")
    for name in FILES:
        file = Path(folder) / f"{name}.tickets.jsonl.gz"
        found = folder and file.is_file()
        documents = (decode_ticket(raw.content) for raw in read_documents(str(file), lambda _: None))
        yield name, _completed(documents) if found else None
    file = Path(folder) / "nab_open.parquet"
    for name, series in NAB.items():
        yield name, _nab(file, series) if folder and file.is_file() else None


def _completed(tickets: Iterator[Ticket]) -> CountSeries:
    at = [t.completed_at for t in tickets if t.status == "COMPLETED" and t.completed_at is not None]
    at_ms = np.array(at, dtype=np.int64)
    return count_events(at_ms, int(at_ms.min()) // HOUR_MS * HOUR_MS, int(at_ms.max()), HOUR_MS)


def _nab(file: Path, name: str) -> CountSeries:
    import pandas as pd

    frame = pd.read_parquet(file, filters=[("series", "==", name)])
    at_ms = pd.to_datetime(frame["ts"]).astype("datetime64[ms]").astype("int64").to_numpy()
    return from_pairs(at_ms, frame["value"].to_numpy(dtype=np.float64), HOUR_MS)
