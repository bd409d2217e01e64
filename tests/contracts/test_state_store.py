"""What every state store does, run over each of them."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from neural_hive_ml.errors import Conflict
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record, StateStore

ADAPTERS = (
    "memory",
    "embedded",
    pytest.param("mongo", marks=[pytest.mark.services, pytest.mark.xdist_group("mongo")]),
)
THINGS = "things"


@pytest.fixture(params=ADAPTERS)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    with closing(_open(request, tmp_path)) as store:
        yield store


def _open(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    match request.param:
        case "memory":
            return MemoryStateStore()
        case "embedded":
            return EmbeddedStateStore(tmp_path / "state.db")
        case _:
            from neural_hive_ml.state.mongo import MongoStateStore

            return MongoStateStore(request.getfixturevalue("mongo_uri"), f"test_{uuid4().hex[:12]}", 10.0)


def record(key: str, at_ms: int = 0, **document: object) -> Record:
    return Record(key, at_ms, document)


def test_what_is_put_comes_back(state: StateStore) -> None:
    nested = {"b": [1, 2.5, None, True], "a": {"x.y": "z"}, "text": "Ação ✓"}
    state.put(THINGS, Record("k", 5, nested))
    assert state.get(THINGS, "k") == Record("k", 5, nested)
    assert state.get(THINGS, "other") is None
    assert state.get("elsewhere", "k") is None


def test_put_replaces_and_insert_leaves(state: StateStore) -> None:
    state.put(THINGS, record("k", 1, v=1, gone=True))
    state.put(THINGS, record("k", 2, v=2))
    assert state.get(THINGS, "k") == record("k", 2, v=2)
    assert state.insert(THINGS, [record("k", 3, v=3), record("new", 4, v=4)]) == 1
    assert state.get(THINGS, "k") == record("k", 2, v=2)
    assert state.insert(THINGS, []) == 0
    assert state.insert(THINGS, (record(f"n{i}", i) for i in range(2_500))) == 2_500
    assert state.count(THINGS) == 2_502


def test_find_filters_orders_and_limits(state: StateStore) -> None:
    state.insert(
        THINGS, [record(k, at, kind=kind) for k, at, kind in (("c", 3, "x"), ("a", 1, "x"), ("b", 1, "y"))]
    )
    assert [r.key for r in state.find(THINGS)] == ["a", "b", "c"]
    assert [r.key for r in state.find(THINGS, newest_first=True)] == ["c", "b", "a"]
    assert [r.key for r in state.find(THINGS, where={"kind": "x"})] == ["a", "c"]
    assert [r.key for r in state.find(THINGS, since_ms=1, until_ms=3)] == ["a", "b"]
    assert [r.key for r in state.find(THINGS, newest_first=True, limit=1)] == ["c"]
    assert state.find(THINGS, limit=0) == []
    assert state.count(THINGS, where={"kind": "x"}, until_ms=3) == 1
    assert state.count(THINGS) == 3


def test_pages_join_without_gap_or_repeat(state: StateStore) -> None:
    state.insert(THINGS, [record(f"k{i:02}", i // 4) for i in range(25)])
    for newest_first in (False, True):
        whole = state.find(THINGS, newest_first=newest_first)
        paged, after = [], None
        while page := state.find(THINGS, newest_first=newest_first, limit=7, after=after):
            paged += page
            after = (page[-1].at_ms, page[-1].key)
        assert paged == list(whole)


def test_where_compares_by_type(state: StateStore) -> None:
    values = {"int": 1, "float": 1.0, "text": "1", "true": True, "other": 2}
    state.insert(THINGS, [record(k, 0, v=v) for k, v in values.items()])

    def keys(v: str | int | float | bool) -> set[str]:
        return {r.key for r in state.find(THINGS, where={"v": v})}

    assert keys(1) == {"int", "float"} == keys(1.0)
    assert keys("1") == {"text"}
    assert keys(True) == {"true"}
    assert keys(False) == set()
    assert {r.key for r in state.find(THINGS, where={"absent": "x"})} == set()


def test_compare_and_set(state: StateStore) -> None:
    state.replace(THINGS, record("k", 1, v=1, w=[1]), expected=None)
    with pytest.raises(Conflict):
        state.replace(THINGS, record("k", 1, v=2), expected=None)
    with pytest.raises(Conflict):
        state.replace(THINGS, record("k", 2, v=2), expected={"v": 0})
    with pytest.raises(Conflict):
        state.replace(THINGS, record("absent", 2, v=2), expected={"v": 0})
    state.replace(THINGS, record("k", 2, v=2), expected={"w": [1], "v": 1})
    assert state.get(THINGS, "k") == record("k", 2, v=2)


def test_what_was_read_can_be_compared_with(state: StateStore) -> None:
    """Times in documents are large integers: what comes back must be good for the next compare-and-set."""
    state.put(THINGS, record("k", 1, crowned={"at_ms": 1_795_616_851_157, "by": ["x", 2**53]}, sure=True))
    read = state.get(THINGS, "k")
    assert read is not None
    assert type(read.document["crowned"]["at_ms"]) is int
    state.replace(THINGS, record("k", 2, v=2), expected=read.document)
    assert state.get(THINGS, "k") == record("k", 2, v=2)


def test_one_of_many_wins_a_race(state: StateStore) -> None:
    state.put(THINGS, record("counter", 0, n=0))
    lost = []

    def count_up() -> None:
        for _ in range(5):
            while True:
                held = state.get(THINGS, "counter")
                assert held is not None
                try:
                    state.replace(THINGS, record("counter", 0, n=held.document["n"] + 1), expected=held.document)
                except Conflict:
                    lost.append(1)
                else:
                    break

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = state.get(THINGS, "counter")
    assert held is not None
    assert held.document == {"n": 20}


def test_delete(state: StateStore) -> None:
    state.insert(THINGS, [record(k) for k in "abc"])
    assert state.delete(THINGS, ["a", "c", "absent"]) == 2
    assert [r.key for r in state.find(THINGS)] == ["b"]
    assert state.delete(THINGS, []) == 0


def test_a_lease_has_one_holder_and_a_growing_token(state: StateStore) -> None:
    first = state.acquire("job", "one", now_ms=1_000, ttl_ms=100)
    renewed = state.acquire("job", "one", now_ms=1_050, ttl_ms=100)
    assert (renewed.token, renewed.expires_at_ms) == (first.token, 1_150)
    with pytest.raises(Conflict, match="one"):
        state.acquire("job", "two", now_ms=1_149, ttl_ms=100)
    second = state.acquire("job", "two", now_ms=1_150, ttl_ms=100)
    assert second.token > first.token
    state.release(renewed)
    with pytest.raises(Conflict):
        state.acquire("job", "one", now_ms=1_200, ttl_ms=100)
    state.release(second)
    third = state.acquire("job", "one", now_ms=1_200, ttl_ms=100)
    assert third.token > second.token
    again = state.acquire("job", "one", now_ms=2_000, ttl_ms=100)
    assert again.token > third.token


def test_describe_says_where(state: StateStore) -> None:
    assert state.describe().startswith("state in ")
