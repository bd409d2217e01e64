"""Every collection of operational state: for how long it is kept, and what an erasure and a backup do with it.

A collection that is missing here is found by a test: whoever adds one says what becomes of it.
"""

from dataclasses import dataclass
from typing import Final, Literal

from neural_hive_ml import conventions as names

# searched: records that name a person are deleted. verdicts: see `erasure`. never: about models and jobs only, or the chain.
Erasure = Literal["searched", "verdicts", "never"]


@dataclass(frozen=True, slots=True)
class Care:
    """`days` names the setting that bounds the age of records, empty where they are replaced and do not grow with time;
    `backed_up` is false for what is of the moment only."""

    days: str
    erasure: Erasure
    backed_up: bool = True


CARE: Final[dict[str, Care]] = {
    names.QUARANTINE: Care("QUARANTINE_RETENTION_DAYS", "searched"),
    names.PREDICTIONS: Care("PREDICTION_LOG_DAYS", "searched"),
    names.SHADOW_PREDICTIONS: Care("PREDICTION_LOG_DAYS", "searched"),
    names.THREATS: Care("PREDICTION_LOG_DAYS", "searched"),
    names.OUTCOMES: Care("OUTCOME_RETENTION_DAYS", "searched"),
    names.JOB_RUNS: Care("OUTCOME_RETENTION_DAYS", "searched"),
    names.ANNOUNCEMENTS: Care("OUTCOME_RETENTION_DAYS", "searched"),
    names.VERDICTS: Care("VERDICT_RETENTION_DAYS", "verdicts"),
    names.DRIFT_RECORDS: Care("DRIFT_RETENTION_DAYS", "searched"),
    names.MODEL_QUALITY: Care("DRIFT_RETENTION_DAYS", "searched"),
    names.RETRAINING_EVENTS: Care("RETRAINING_RETENTION_DAYS", "searched"),
    names.RETRAINING_CLAIMS: Care("RETRAINING_RETENTION_DAYS", "never"),
    names.ROLLOUTS: Care("RETRAINING_RETENTION_DAYS", "searched"),
    names.ROLLOUT_CHECKS: Care("RETRAINING_RETENTION_DAYS", "searched"),
    names.FEATURE_BASELINES: Care("", "searched"),
    names.RETRAINING_CONTROL: Care("", "never"),
    names.ALIAS_RECORDS: Care("", "never"),
    names.FAMILY_CHOICES: Care("", "never"),
    names.LEDGER: Care("", "never"),
    names.LEDGER_CHECKS: Care("OUTCOME_RETENTION_DAYS", "never"),
    names.ERASED_TICKETS: Care("", "never"),
    names.LEASES: Care("", "never", backed_up=False),
}
SEARCHED: Final = tuple(sorted(name for name, care in CARE.items() if care.erasure == "searched"))
BACKED_UP: Final = tuple(sorted(name for name, care in CARE.items() if care.backed_up))
# Collections that grow with time, tickets among them, and the setting that says for how many days each is kept.
SETTING_OF: Final = {
    names.TICKETS: "TICKET_RETENTION_DAYS",
    **{name: care.days for name, care in CARE.items() if care.days},
}
