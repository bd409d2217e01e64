"""Where the setting is auto: which algorithm of a family serves, and when that changes."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.served import publish
from tests.support.trained import duration_candidate, flights

from neural_hive_ml.automation import desk_of
from neural_hive_ml.bootstrap import challenger_slot, family_slot, open_state, serving_model
from neural_hive_ml.clock import FixedClock, SystemClock
from neural_hive_ml.conventions import CHAMPION, GUIDE_MODELS
from neural_hive_ml.family_gate import choose
from neural_hive_ml.flow import Rules, Workspace, read_window, train
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.observability.metrics import orchestrator_metrics
from neural_hive_ml.registry.alias_record import read_record
from neural_hive_ml.registry.family_choice import FamilyChoice, read_choice, write_choice
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.retraining.job import run_cycle
from neural_hive_ml.serving.statistics_source import LiveStatistics
from neural_hive_ml.serving.watch import ModelWatch
from neural_hive_ml.settings import load_settings
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.tickets.memory import MemoryTicketStore
from neural_hive_ml.training.request import TrainingRequest

LIGHT, STRONG = "scheduling-predictor-lightgbm", "scheduling-predictor-xgboost"
RULES = Rules("relative", promote_if_better=True, allow_below_floor=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    store, state = MemoryTicketStore(), MemoryStateStore()
    store.upsert(flights())
    return Workspace(store, state, MemoryRegistry(tmp_path), Ledger(state), FixedClock(1_800_000_000_000))


def test_an_algorithm_takes_over_only_from_none_or_by_beating_who_serves(workspace: Workspace) -> None:
    newest = workspace.tickets.extent().newest_event_ms
    assert newest is not None
    asked = TrainingRequest("scheduling", newest + 1, min_samples=500, threads=1, algorithm="lightgbm")
    said: list[str] = []
    (first,) = train([asked], workspace, RULES, said.append)
    chosen = read_choice(workspace.state, "scheduling")
    assert chosen is not None
    assert (chosen.name, chosen.reason) == (LIGHT, f"{STRONG} has no champion")
    # The other algorithm goes live under its own name; a few per cent better or worse is no reason to change.
    (second,) = train([replace(asked, algorithm="xgboost")], workspace, RULES, said.append)
    assert first.promoted
    assert second.promoted
    assert workspace.registry.resolve(STRONG, CHAMPION) is not None
    assert read_choice(workspace.state, "scheduling") == chosen
    assert f"scheduling: where the setting is auto, {LIGHT} goes on serving" in said
    # One that is right of every ticket takes over.
    assert second.candidate is not None
    cases = second.candidate.cases
    perfect = replace(second.candidate, cases=replace(cases, predicted=cases.truth * 1.001))
    columns = read_window(workspace.tickets, asked.as_of_ms, asked.window_days)
    where = {"registry": workspace.registry, "state": workspace.state, "profile": "relative", "at_ms": 5}
    choose(perfect, columns, asked, progress=said.append, **where)  # type: ignore[arg-type]
    changed = read_choice(workspace.state, "scheduling")
    assert changed is not None
    assert (changed.name, changed.at_ms) == (STRONG, 5)
    assert f"against {LIGHT}: mae" in changed.reason


def test_services_follow_the_setting_and_auto_the_choice(tmp_path: Path) -> None:
    def settings(kind: str):  # type: ignore[no-untyped-def]
        told = {"SCHEDULING_MODEL_TYPE": kind, "ANOMALY_DETECTOR_MODEL_TYPE": "auto"}
        return load_settings({"HIVE_DATA_DIR": str(tmp_path), **told})

    assert [serving_model(settings(k), "scheduling") for k in ("xgboost", "lightgbm", "auto")] == [
        STRONG,
        LIGHT,
        STRONG,
    ]
    state = open_state(settings("auto"))
    write_choice(state, FamilyChoice("scheduling", LIGHT, "it won", 7))
    state.close()
    assert [serving_model(settings(k), "scheduling") for k in ("xgboost", "lightgbm", "auto")] == [
        STRONG,
        LIGHT,
        LIGHT,
    ]
    assert serving_model(settings("auto"), "anomaly") == "anomaly-detector-isolation_forest"


def test_who_serves_is_mended_and_checked_for_drift(workspace: Workspace, tmp_path: Path) -> None:
    """Not the guide's five names only: what answers is watched, whichever algorithm it is."""
    newest = workspace.tickets.extent().newest_event_ms
    assert newest is not None
    asked = TrainingRequest("scheduling", newest + 1, min_samples=500, threads=1, algorithm="lightgbm")
    train([asked, asked], workspace, RULES, lambda _line: None)
    # Somebody chooses another version in MLflow's own page: the next training adopts it and writes it down.
    workspace.registry.move_alias(LIGHT, CHAMPION, 2)
    train([], workspace, RULES, lambda _line: None)
    assert read_record(workspace.state, LIGHT).champion == 2

    def checked(**told: str) -> dict[str, bool]:
        settings = load_settings({"HIVE_DATA_DIR": str(tmp_path), **told})
        desk = desk_of(settings, workspace, lambda _line: None)
        found = run_cycle(desk, as_of_ms=newest + 1, dry_run=True).checked
        return {one.name: one.subject is not None for one in found}

    nobody = dict.fromkeys(GUIDE_MODELS, False)
    assert checked() == nobody
    assert checked(SCHEDULING_MODEL_TYPE="lightgbm") == {**nobody, LIGHT: True}
    assert checked(SCHEDULING_MODEL_TYPE="auto") == {**nobody, LIGHT: True}, (
        "it was chosen: no other has a champion"
    )
    assert checked(ANOMALY_DETECTOR_MODEL_TYPE="autoencoder") == {**nobody, "anomaly-detector-autoencoder": False}


def test_a_running_service_follows_the_choice(tmp_path: Path) -> None:
    """Who served answers until who was chosen is published and verified; a store that is away changes nothing."""
    strong = duration_candidate()
    light = replace(strong, model=replace(strong.model, name=LIGHT, lineage={**strong.model.lineage, "seed": 7}))
    settings = load_settings({"HIVE_DATA_DIR": str(tmp_path), "SCHEDULING_MODEL_TYPE": "auto"})
    publish(tmp_path, [strong])
    slot, clock, metrics = (
        family_slot(settings, "scheduling", SystemClock()),
        SystemClock(),
        orchestrator_metrics(),
    )
    challenger = challenger_slot(settings, slot, clock)
    watch = ModelWatch((slot,), LiveStatistics(), clock, metrics, 30.0, (challenger,))

    def shown() -> set[str]:
        text = metrics.exposition().decode()
        return {name for name in (STRONG, LIGHT) if f'model_version{{alias="champion",model_name="{name}"' in text}

    assert watch.refresh()[STRONG]["outcome"] == "swapped"
    assert shown() == {STRONG}
    state = open_state(settings)
    write_choice(state, FamilyChoice("scheduling", LIGHT, "it won", 7))
    assert watch.refresh()[STRONG]["outcome"] == "unchanged", "nothing is published under the name yet"
    publish(tmp_path, [light])
    assert watch.refresh()[LIGHT] == {"outcome": "swapped", "reason": "", "version": 1}
    assert slot.current is not None
    assert (slot.current.published.name, challenger.name, shown()) == (LIGHT, LIGHT, {LIGHT})
    # The choice cannot be read: who serves goes on.
    state.close()
    for file in tmp_path.glob("state.db*"):
        file.write_bytes(b"torn")
    assert watch.refresh()[LIGHT]["outcome"] == "unchanged"
