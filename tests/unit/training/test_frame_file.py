"""The frame on disk holds the rows, durations and parts that training in memory has."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from tests.support.trained import generated_tickets

from neural_hive_ml.features.binding import bind
from neural_hive_ml.features.blocks import frame_blocks
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.spec import CREATION_COUNT
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.frame_file import FrameFile, write_frame
from neural_hive_ml.training.split import split_by_time


def test_the_file_is_the_frame_in_memory(tmp_path: Path) -> None:
    tickets = sorted(generated_tickets(3_000), key=lambda t: (t.created_at, t.ticket_id))
    columns = columns_of(tickets)
    binding, split = bind(columns), split_by_time(columns, int(columns.created_at_ms.max()) + 1, 100)
    frame, _ = build_frame(columns, binding, ("created",))
    known = duration_rows(columns, frame, split)
    blocks = [columns_of(tickets[a:b]) for a, b in pairwise([0, 700, 701, 2_000, 3_000])]

    file = write_frame(frame_blocks(blocks, binding, Statistics(), ("created",)), split, tmp_path / "rows.f64")

    assert len(file) == len(known.duration_ms)
    assert np.array_equal(file.rows(0, len(file)), known.rows[:, :CREATION_COUNT])
    assert np.array_equal(file.duration_ms, known.duration_ms)
    for part, mask in enumerate((known.fit, known.validation, known.holdout)):
        read = list(file.of_part(part))
        assert np.array_equal(np.concatenate([numbers for _, numbers in read]), np.flatnonzero(mask))
        assert np.array_equal(np.concatenate([rows for rows, _ in read]), known.rows[mask, :CREATION_COUNT])
    [(rows, numbers)] = file.of_part(0, newest=5)
    assert numbers.tolist() == np.flatnonzero(known.fit)[-5:].tolist()
    assert len(rows) == 5
    assert list(file.of_part(0, newest=0)) == []


def test_no_tickets_make_an_empty_file(tmp_path: Path) -> None:
    split = split_by_time(columns_of(generated_tickets(100)), 2**60, 20)
    file = write_frame([], split, tmp_path / "rows.f64")
    assert isinstance(file, FrameFile)
    assert len(file) == 0
    assert list(file.of_part(0)) == []
