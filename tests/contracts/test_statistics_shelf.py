"""What every shelf of statistics does: the newest number wins, whole or not at all."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from tests.support.ports import closed_port

from neural_hive_ml.errors import ArtifactRefused, StoreUnavailable
from neural_hive_ml.serving.statistics_shelf import FolderShelf, RedisShelf, Shelf, unpacked

ADAPTERS = ("folder", pytest.param("redis", marks=[pytest.mark.services, pytest.mark.xdist_group("redis")]))


@pytest.fixture(params=ADAPTERS)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    made: Shelf
    if request.param == "folder":
        made = FolderShelf(tmp_path / "statistics")
    else:
        made = RedisShelf(request.getfixturevalue("redis_url"), uuid4().hex)
    with closing(made):
        yield made


def test_the_newest_number_wins(shelf: Shelf) -> None:
    assert shelf.newest() is None
    assert shelf.put(1, {"a": np.arange(3)})
    assert shelf.put(5, {"a": np.arange(4), "b": np.zeros((0, 2))})
    assert not shelf.put(5, {"a": np.arange(9)})
    assert not shelf.put(2, {"a": np.arange(9)})
    newest = shelf.newest()
    assert newest is not None
    assert newest.number == 5
    np.testing.assert_array_equal(newest.arrays["a"], np.arange(4))
    assert newest.arrays["b"].shape == (0, 2)
    assert shelf.newest(known=5) is None
    assert shelf.newest(known=4) is not None


def test_of_writers_at_once_one_number_is_ones(shelf: Shelf) -> None:
    won: list[tuple[int, int]] = []

    def write(who: int) -> None:
        mine = {"who": np.array([who])}
        won.extend((number, who) for number in range(1, 21) if shelf.put(number, mine))

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for number, _ in won}) == len(won)
    newest = shelf.newest()
    assert newest is not None
    assert (newest.number, int(newest.arrays["who"][0])) == (20, dict(won)[20])


def test_it_says_where_it_is(shelf: Shelf) -> None:
    assert shelf.describe().startswith("statistics in ")


def test_damage_and_silence_are_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused):
        unpacked(b"nonsense")
    gone = RedisShelf(f"redis://{closed_port().removeprefix('http://')}/0", "x", 0.2)
    with pytest.raises(StoreUnavailable, match="next: check that Redis"):
        gone.newest()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="rights"):
        FolderShelf(tmp_path / "file").put(1, {"a": np.arange(3)})
