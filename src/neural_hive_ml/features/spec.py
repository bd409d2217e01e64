"""The feature row: ordered names with unit, range and meaning. The order is the definition's own.

`FEATURES[:CREATION_COUNT]` is known when a ticket is created; the rest is observed while it runs or at its end and holds
documented neutral zeros before. No feature is ever NaN or infinite.
"""

from dataclasses import dataclass
from typing import Final

from neural_hive_ml.features.layout import PARAMETER_SLOTS
from neural_hive_ml.tickets.ticket import TASK_TYPES

FEATURE_SET_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature. `stationary` is False for what grows with history and must not be judged for drift."""

    name: str
    unit: str
    low: float
    high: float
    doc: str
    stationary: bool = True


def _static() -> list[FeatureSpec]:
    f = FeatureSpec
    features = [
        f("log_estimate", "log1p ms", 0, 30, "published estimate, 0 when there is none"),
        f("has_estimate", "flag", 0, 1, "an estimate was published"),
        f("log_sla_timeout", "log1p ms", 0, 30, "longest run time promised"),
        f("estimate_to_sla", "ratio", 0, 10, "estimate over SLA timeout"),
        f("priority", "rank", 0, 3, "LOW, NORMAL, HIGH, CRITICAL"),
        f("risk_band", "rank", 0, 3, "low, medium, high, critical"),
        f("security_level", "rank", 0, 3, "PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED"),
        f("delivery_mode", "rank", 0, 2, "AT_MOST_ONCE, AT_LEAST_ONCE, EXACTLY_ONCE"),
        f("consistency", "rank", 0, 1, "EVENTUAL, STRONG"),
        f("durability", "rank", 0, 1, "TRANSIENT, PERSISTENT"),
    ]
    features += [f(f"type_{name.lower()}", "flag", 0, 1, f"task type {name}") for name in TASK_TYPES]
    features += [
        f("capabilities", "count", 0, 1000, "required capabilities"),
        f("dependencies", "count", 0, 1000, "tickets it waits for"),
        f("parameters", "count", 0, 1000, "entries of the parameters map"),
        f("log_parameter_bytes", "log1p bytes", 0, 20, "size of the parameters map"),
    ]
    features += [
        f(
            f"parameter_{i + 1}",
            "signed log1p",
            -50,
            50,
            f"numeric parameter {i + 1} of the model's binding, 0 when absent",
        )
        for i in range(PARAMETER_SLOTS)
    ]
    features += [
        f("parameters_missing", "count", 0, PARAMETER_SLOTS, "bound numeric parameters that the ticket lacks"),
        f("hour_sin", "", -1, 1, "hour of creation on the circle, local to the binding's time zone"),
        f("hour_cos", "", -1, 1, "see hour_sin"),
        f("weekday_sin", "", -1, 1, "weekday of creation on the circle"),
        f("weekday_cos", "", -1, 1, "see weekday_sin"),
        f("weekend", "flag", 0, 1, "created on Saturday or Sunday"),
        f("business_hours", "flag", 0, 1, "created Monday to Friday, 9:00 to 17:59"),
    ]
    return features


def _block(scope: str, of: str, *, ring: bool) -> list[FeatureSpec]:
    def f(name: str, unit: str, low: float, high: float, doc: str, *, stationary: bool = True) -> FeatureSpec:
        return FeatureSpec(f"{scope}_{name}", unit, low, high, f"{of}: {doc}", stationary)

    features = [
        f("created", "log1p count", 0, 30, "tickets created so far", stationary=False),
        f("succeeded", "log1p count", 0, 30, "tickets that succeeded so far", stationary=False),
        f("fast_mean", "log1p ms", 0, 40, "mean log duration, about two tickets of memory"),
        f("slow_mean", "log1p ms", 0, 40, "mean log duration, about twenty tickets of memory"),
        f("spread", "log ms", 0, 40, "standard deviation of log duration, shrunk to the wider scope"),
    ]
    if ring:
        features += [
            f("median", "log1p ms", 0, 40, "median log duration of the last 32"),
            f("mad", "log ms", 0, 60, "scaled median absolute deviation of the last 32, shrunk"),
        ]
    features += [
        f("last", "log1p ms", 0, 40, "last duration"),
        f("last_two", "log1p ms", 0, 40, "mean of the last two durations (Tsafrir et al. 2007)"),
        f("failure_rate", "share", 0, 1, "failures among ends, shrunk to the wider scope"),
        f("retries", "log1p count", 0, 15, "mean retries"),
        f("wait", "log1p ms", 0, 40, "mean log wait between creation and start"),
        f("since_last", "log1p s", 0, 25, "time since the last creation"),
        f("gap", "log1p s", 0, 25, "usual log time between creations"),
        f("rate_1h", "log1p count", 0, 20, "creations, decayed with a half-life of an hour"),
        f("rate_24h", "log1p count", 0, 20, "creations, decayed with a half-life of a day"),
        f("burst", "log ratio", -20, 20, "the hour's creations over the day's expectation"),
        f("running", "log1p count", 0, 20, "tickets running now"),
        f("queued", "log1p count", 0, 20, "tickets waiting now"),
    ]
    return features


def _wide(scope: str, of: str) -> list[FeatureSpec]:
    f = FeatureSpec
    return [
        f(f"{scope}_slow_mean", "log1p ms", 0, 40, f"{of}: mean log duration"),
        f(f"{scope}_failure_rate", "share", 0, 1, f"{of}: failures among ends"),
        f(f"{scope}_wait", "log1p ms", 0, 40, f"{of}: mean log wait"),
        f(f"{scope}_rate_1h", "log1p count", 0, 20, f"{of}: creations of the last hour, decayed"),
        f(f"{scope}_running", "log1p count", 0, 20, f"{of}: running now"),
        f(f"{scope}_queued", "log1p count", 0, 20, f"{of}: waiting now"),
    ]


def _familiarity() -> list[FeatureSpec]:
    f = FeatureSpec
    return [
        f("capabilities_familiar", "log share", -20, 1, "share of this capability set among the task's tickets"),
        f("risk_familiar", "log share", -20, 1, "share of this risk band among the task's tickets"),
        f("parameters_familiar", "log share", -20, 1, "share of these very parameters among the task's tickets"),
        f("task_familiar", "log share", -20, 1, "share of this task among the owner's tickets"),
        f("task_hour_familiar", "log ratio", -20, 4, "this hour among the task's hours, against an even spread"),
        f("owner_hour_familiar", "log ratio", -20, 4, "this hour among the owner's hours, against an even spread"),
        f("parameter_size_z", "sd", -50, 50, "magnitude of the parameters against the task's own"),
    ]


def _observed() -> list[FeatureSpec]:
    f = FeatureSpec
    return [
        f("is_running", "flag", 0, 1, "row of a running ticket"),
        f("is_ended", "flag", 0, 1, "row of an ended ticket"),
        f("log_duration", "log1p ms", 0, 40, "run time so far, or in all; 0 when unknown"),
        f("has_duration", "flag", 0, 1, "the run time is known"),
        f("log_wait", "log1p ms", 0, 40, "time between creation and start, or now"),
        f("log_retries", "log1p count", 0, 15, "retries"),
        f("failed", "flag", 0, 1, "ended in failure"),
        f("error_message", "flag", 0, 1, "carries an error message"),
        f("z_task", "sd", -50, 50, "log duration against the task's median and spread"),
        f("z_owner", "sd", -50, 50, "log duration against the owner's"),
        f("z_owner_task", "sd", -50, 50, "log duration against the owner's own of this task"),
        f("z_same", "sd", -50, 50, "log duration against the very same work"),
        f("to_estimate", "log ratio", -20, 20, "run time over estimate"),
        f("to_sla", "log ratio", -20, 20, "run time over SLA timeout"),
        f("excess_retries", "log ratio", -15, 15, "retries over the task's usual"),
        f("excess_wait", "log ratio", -40, 40, "wait over the task's usual"),
    ]


_CREATION: Final = (
    *_static(),
    *_block("task", "this task", ring=True),
    *_block("owner", "this owner", ring=True),
    *_block("owner_task", "this owner's tickets of this task", ring=True),
    *_block("same", "this task with these very parameters", ring=False),
    *_wide("type", "this task type"),
    *_wide("risk", "this risk band"),
    *_wide("capability_set", "this capability set"),
    *_wide("all", "all tickets"),
    *_familiarity(),
)
CREATION_COUNT: Final = len(_CREATION)
FEATURES: Final[tuple[FeatureSpec, ...]] = (*_CREATION, *_observed())
NAMES: Final = tuple(f.name for f in FEATURES)
INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(NAMES)}
COLUMN_COUNT: Final = len(FEATURES)
