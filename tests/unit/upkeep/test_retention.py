"""What is older than its days goes, what has none stays, and the plan is what is done."""

import inspect
import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.tickets import ticket

from neural_hive_ml import conventions
from neural_hive_ml.cli.app import hive_ml, run
from neural_hive_ml.clock import DAY_MS, SystemClock
from neural_hive_ml.conventions import DRIFT_RECORDS, PREDICTIONS, QUARANTINE, TICKETS, VERDICTS
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.upkeep.collections import CARE, SETTING_OF
from neural_hive_ml.upkeep.retention import plan, prune

NOW_MS = 1_000 * DAY_MS


def test_exactly_what_the_cuts_say_goes() -> None:
    state, tickets = MemoryStateStore(), MemoryTicketStore()
    tickets.upsert(ticket(f"t{day}", day * DAY_MS) for day in range(400, 1_000, 10))
    for collection in (PREDICTIONS, DRIFT_RECORDS, VERDICTS):
        state.insert(collection, [Record(f"{day}", day * DAY_MS, {"day": day}) for day in range(1_000)])
    cuts = plan({TICKETS: 540, PREDICTIONS: 90, DRIFT_RECORDS: 0, VERDICTS: 100.5}, NOW_MS)
    would = prune(cuts, tickets, state, dry_run=True)
    assert state.count(PREDICTIONS) == 1_000, "a dry run deletes nothing"
    assert prune(cuts, tickets, state) == would
    assert [one.records for one in would] == [6, 910, 0, 900]
    assert tickets.extent().oldest_ms == 460 * DAY_MS
    assert state.find(PREDICTIONS, limit=1)[0].key == "910"
    assert state.count(DRIFT_RECORDS) == 1_000
    assert all(one.records == 0 for one in prune(cuts, tickets, state))


def test_the_command_follows_the_settings_and_keeps_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TICKET_RETENTION_DAYS", "30")
    now_ms = SystemClock().now_ms()
    with closing(EmbeddedTicketStore(tmp_path / "tickets")) as tickets:
        tickets.upsert(ticket(f"t{day}", now_ms - day * DAY_MS) for day in range(60))
    with closing(EmbeddedStateStore(tmp_path / "state.db")) as state:
        for collection in (PREDICTIONS, QUARANTINE, VERDICTS):
            state.insert(collection, [Record(f"{day}", now_ms - day * DAY_MS, {}) for day in range(0, 400, 10)])
    assert run(hive_ml, ["data", "prune", "--json"]) == 0
    told = {one["collection"]: one["records"] for one in json.loads(capsys.readouterr().out)["collections"]}
    assert set(told) == set(SETTING_OF)
    assert (told[TICKETS], told[PREDICTIONS], told[QUARANTINE], told[VERDICTS]) == (30, 31, 31, 0)
    with closing(EmbeddedTicketStore(tmp_path / "tickets")) as tickets:
        assert tickets.extent().tickets == 30


def test_every_collection_says_what_becomes_of_it() -> None:
    text = inspect.getsource(conventions)
    block = text[text.index("# Collections (") :].split("\n\n")[0]
    named = set(re.findall(r'^[A-Z_]+: Final = "(.+)"$', block, re.MULTILINE))
    assert len(named) > 15
    assert named - {TICKETS} <= set(CARE), "add the new collection to upkeep/collections.py"
