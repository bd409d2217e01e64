"""From tickets to numbers: parameters, keys, local time, and which parameters a model binds."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import START_MS, TIMEZONES
from tests.support.tickets import ticket, tickets

from neural_hive_ml.compiled import COMPILED
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.binding import FeatureBinding, bind, number
from neural_hive_ml.features.definition import make_row
from neural_hive_ml.features.raw import QUARTER_MS, keys_of, local_hour, raw_tickets
from neural_hive_ml.features.row import feature_row, raw_ticket, stage_of, ticket_keys
from neural_hive_ml.features.spec import COLUMN_COUNT, CREATION_COUNT, FEATURES, INDEX, NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.limits import EARLIEST_MS
from neural_hive_ml.tickets.ticket import Ticket

KEYS = dict(zip(at.SCOPES, ticket_keys(ticket()), strict=True))


def keys(**changes: object) -> dict[str, str]:
    return dict(zip(at.SCOPES, ticket_keys(ticket(**changes)), strict=True))  # type: ignore[arg-type] - mixed fields


@given(
    st.integers(EARLIEST_MS, 4_000_000_000_000),
    st.sampled_from([*TIMEZONES, "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Europe/Lisbon"]),
)
@settings(max_examples=200, deadline=None)
def test_local_time_is_the_clock_on_the_wall(at_ms: int, timezone: str) -> None:
    wall = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(timezone))
    assert local_hour(at_ms // QUARTER_MS, timezone) == (wall.hour, wall.weekday())


@given(st.lists(tickets(), max_size=8), st.sampled_from(TIMEZONES))
@settings(max_examples=60, deadline=None)
def test_bulk_and_single_tickets_are_the_same_numbers(some: list[Ticket], timezone: str) -> None:
    """At the end of a ticket's life, or whatever its document shows: in bulk it is laid out whole."""
    later = (at.DURATION_MS, at.WAIT_MS, at.RETRY_COUNT, at.FAILED, at.ERROR, at.STARTED, at.HAS_DURATION)
    static = [i for i in range(at.RAW_WIDTH) if i not in later]
    binding = FeatureBinding(("a", "9"), timezone)
    bulk = raw_tickets(columns_of(some), binding)
    for t, row in zip(some, bulk, strict=True):
        if stage_of(t) == "ended":
            assert np.array(raw_ticket(t, "ended", t.completed_at or 0, binding)).tobytes() == row.tobytes()
        assert np.array(raw_ticket(t, "created", t.created_at, binding))[static].tobytes() == row[static].tobytes()


def test_parameters_are_counted_measured_and_bound() -> None:
    binding = FeatureBinding(("weight", "items", "gone"))
    t = ticket(parameters={"items": "3", "weight": "-2.5", "region": "south", "odd": "nan"})
    raw = raw_ticket(t, "created", 0, binding)
    assert raw[at.PARAMETERS] == 4
    assert raw[at.PARAMETER_BYTES] == sum(len(k) + len(v) for k, v in t.parameters.items())
    assert raw[at.PARAMETER_SIZE] == pytest.approx(np.log1p(3) + np.log1p(2.5))
    assert raw[at.FIRST_PARAMETER : at.FIRST_PARAMETER + 3] == [-2.5, 3.0, 0.0]
    assert raw[at.PARAMETERS_MISSING] == 1
    assert raw_ticket(ticket(parameters={}), "created", 0, binding)[at.PARAMETERS_MISSING] == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3.0), (" 4.5 ", 4.5), ("1e5", 1e5), ("-0", 0.0), ("", None), ("M1", None), ("nan", None), ("inf", None),
     ("1e400", None), ("1e18", None), ("9e17", 9e17), ("0x10", None)],
)  # fmt: skip
def test_a_number_is_a_finite_one_of_sensible_size(text: str, value: float | None) -> None:
    assert number(text) == value


def test_the_most_frequent_numeric_parameters_are_bound_by_frequency_then_name() -> None:
    some = [
        ticket(f"t-{i}", parameters={"b": "1", "a": "2", "text": "x", **({"rare": "3"} if i % 3 == 0 else {})})
        for i in range(30)
    ]
    assert bind(columns_of(some), "Asia/Tokyo") == FeatureBinding(("a", "b", "rare"), "Asia/Tokyo")
    many = [ticket(parameters={f"p{i:02}": "1" for i in range(20)})]
    assert bind(columns_of(many)).parameter_names == tuple(f"p{i:02}" for i in range(at.PARAMETER_SLOTS))
    document = bind(columns_of(many)).to_document()
    assert FeatureBinding.from_document(document) == bind(columns_of(many))


def test_each_scope_has_the_key_of_its_name() -> None:
    assert keys() == keys(ticket_id="another", created_at=START_MS + 5, priority="LOW")
    changed = {
        "task_id": {"task", "owner_task", "same", "task_capabilities", "task_risk", "task_hours"},
        "task_type": {"type"},
        "risk_band": {"risk", "task_risk"},
        "parameters": {"same"},
        "required_capabilities": {"capabilities", "task_capabilities"},
        "metadata": {"owner", "owner_task", "owner_hours"},
    }
    other = {
        "task_id": "other", "task_type": "BUILD", "risk_band": "low", "parameters": {"x": "1"},
        "required_capabilities": ("x",), "metadata": {"owner": "other"},
    }  # fmt: skip
    for name, scopes in changed.items():
        assert {s for s in at.SCOPES if keys(**{name: other[name]})[s] != KEYS[s]} == scopes, name


def test_the_order_of_maps_and_lists_makes_no_other_key() -> None:
    flipped = {"region": "sa-east-1", "service": "billing"}
    assert keys(parameters=flipped, required_capabilities=("validation", "deployment")) == KEYS


def test_nobody_s_tickets_and_nobody_s_tasks_are_not_remembered() -> None:
    assert {s for s, k in keys(metadata={}).items() if not k} == {"owner", "owner_task", "owner_hours"}
    assert {s for s, k in keys(task_id="").items() if not k} == {
        "task", "owner_task", "same", "task_capabilities", "task_risk", "task_hours",
    }  # fmt: skip


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_text_makes_keys(task: str, owner: str, parameters: dict[str, str]) -> None:
    made = keys_of(task, owner, (), parameters, 0, 0)
    assert len(made) == at.SLOT_COUNT
    assert made == keys_of(task, owner, (), dict(reversed(parameters.items())), 0, 0)


def test_the_spec_names_the_row_of_the_definition_one_by_one() -> None:
    row = make_row(0, 0.0, np.zeros(at.RAW_WIDTH), np.zeros(at.SLOT_COUNT, dtype=np.int64), Statistics().tables)
    assert len(row) == COLUMN_COUNT == len(FEATURES)
    assert len(set(NAMES)) == COLUMN_COUNT
    assert all(NAMES[i] == name for name, i in INDEX.items())
    assert NAMES[CREATION_COUNT] == "is_running"
    assert all(f.low < f.high and f.doc for f in FEATURES)
    assert {f.name.rpartition("_")[2] for f in FEATURES if not f.stationary} == {"created", "succeeded"}


@pytest.mark.parametrize(
    ("change", "features"),
    [
        ({"priority": "CRITICAL"}, {"priority"}),
        ({"risk_band": "critical"}, {"risk_band"}),
        ({"security_level": "RESTRICTED"}, {"security_level"}),
        ({"task_type": "QUERY"}, {"type_deploy", "type_query"}),
        ({"estimated_duration_ms": None}, {"log_estimate", "has_estimate", "estimate_to_sla"}),
        ({"dependencies": ("a", "b")}, {"dependencies"}),
        ({"required_capabilities": ()}, {"capabilities"}),
        ({"created_at": START_MS + 86_400_000}, {"weekday_sin", "weekday_cos"}),
    ],
)
def test_a_field_moves_its_own_features(change: dict[str, object], features: set[str]) -> None:
    def row(t: Ticket) -> np.ndarray:
        return feature_row(t, "created", t.created_at, Statistics(), FeatureBinding(), compiled=COMPILED)

    before, after = row(ticket()), row(ticket(**change))  # type: ignore[arg-type] - mixed fields
    assert {NAMES[i] for i in np.flatnonzero(before != after)} == features
