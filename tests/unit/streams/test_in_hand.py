"""What a killed process had in hand is known to its successor; nothing else makes a suspect."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.small_disk import full_disk

from neural_hive_ml.streams.in_hand import Hands, InHand


def killed_with(path: Path, ids: Sequence[str], *, alone: bool = False) -> None:
    """Let a process be killed with messages in hand."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            hand = InHand(path)
            hand.begin()

            async def die() -> None:
                os._exit(9)

            asyncio.run(hand.during(ids, die, alone=alone))
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def successor(path: Path) -> InHand:
    hand = InHand(path)
    hand.begin()
    return hand


def test_a_death_among_others_makes_a_suspect_and_only_deaths_alone_are_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "readers" / "0-x"
    for _ in range(3):
        killed_with(path, ["1-0", "2-0"])
    hand = successor(path)
    assert [hand.deaths(name) for name in ("1-0", "2-0", "3-0")] == [1, 1, 0]
    hand.end()
    killed_with(path, ["2-0"], alone=True)
    killed_with(path, ["2-0"], alone=True)
    hand = successor(path)
    assert [hand.deaths(name) for name in ("1-0", "2-0")] == [1, 3]
    hand.acquit("1-0")
    hand.acquit("never heard of")
    assert [successor(path).deaths(name) for name in ("1-0", "2-0")] == [0, 3]


def test_whatever_ends_in_order_leaves_no_suspect(tmp_path: Path) -> None:
    path = tmp_path / "0-x"

    async def fails() -> None:
        raise ValueError("a bug")

    async def scenario() -> None:
        hand = successor(path)
        with pytest.raises(ValueError, match="a bug"):
            await hand.during(["1"], fails)
        task = asyncio.create_task(hand.during(["2"], lambda: asyncio.sleep(60)))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await hand.during(["3"], lambda: asyncio.sleep(0, "done")) == "done"
        # As a process that was killed between two messages.
        del hand

    asyncio.run(scenario())
    hand = successor(path)
    assert [hand.deaths(name) for name in "123"] == [0, 0, 0]


def test_suspects_of_one_process_are_tried_one_at_a_time(tmp_path: Path) -> None:
    hands, now, most = Hands(tmp_path, "host-0"), 0, 0

    async def step() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    async def scenario(*, alone: bool) -> int:
        nonlocal most
        most = 0
        each = [hands.of(stream, "g") for stream in ("a", "b", "c")]
        for hand in each:
            hand.begin()
        await asyncio.gather(*(hand.during(["1"], step, alone=alone) for hand in each))
        return most

    assert asyncio.run(scenario(alone=False)) == 3
    assert asyncio.run(scenario(alone=True)) == 1


def test_readers_have_marks_of_their_own_and_a_successor_on_another_machine_has_them(tmp_path: Path) -> None:
    hands = Hands(tmp_path, "host-1")
    paths = {hands.of(stream, group).path for stream in ("s", "t") for group in ("g", "h")}
    assert len(paths) == 4
    assert Hands(tmp_path, "other-1").of("s", "g").path in paths
    assert Hands(tmp_path, "host-2").of("s", "g").path not in paths
    assert Hands(tmp_path, "host-p77").of("s", "g").path is None


def test_where_nothing_can_be_written_reading_goes_on(tmp_path: Path) -> None:
    with full_disk(tmp_path / "readers"):
        hand = successor(tmp_path / "readers" / "0-x")
        assert asyncio.run(hand.during(["1"], lambda: asyncio.sleep(0, "done"))) == "done"
        hand.end()
    assert InHand().deaths("1") == 0


@pytest.mark.parametrize("content", [b"", b"no json", b"[1]", b'{"1-0": "many"}'])
def test_a_damaged_file_costs_tries_and_no_message(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "0-x.suspects").write_bytes(content)
    (tmp_path / "0-x.hand").write_bytes(os.urandom(200))
    hand = successor(tmp_path / "0-x")
    assert hand.deaths("1-0") == 0
    many = [f"{i}-0" for i in range(100_000)]
    assert asyncio.run(hand.during(many, lambda: asyncio.sleep(0, "done"))) == "done"
