"""Alerts on the decision ledger: broken, not known to be whole, or not looked at. Silence is no proof."""

from typing import Final

from neural_hive_ml.slo.rule import Alert

_STANDING: Final = 'max(neural_hive_ml_ledger_standing{{standing=~"{}"}}) == 1'
_VERIFIED: Final = "neural_hive_ml_ledger_verification_timestamp_seconds"
_DASHBOARD: Final = "drift-monitoring/drift-monitoring"
_LOGS: Final = (
    "kubectl get cronjob -n neural-hive-ml; kubectl logs -n neural-hive-ml -l app=ledger-verify --tail=200"
)

LEDGER: Final = (
    Alert(
        "MLLedgerBroken",
        _STANDING.format("broken"),
        "0s",
        "critical",
        "The decision ledger was changed, cut or written anew",
        "The last verification found that the chain of decisions is not the one that was written.",
        "who promoted, rolled back or judged what can no longer be proved",
        "treat it as tampering until the cause is known: hive-ml ledger verify",
        component="ml-ledger",
        dashboard=_DASHBOARD,
    ),
    Alert(
        "MLLedgerUnanchored",
        _STANDING.format("unanchored|unknown"),
        "0s",
        "warning",
        "Nothing outside the store vouches for the decision ledger",
        "The chain fits together, but there was no head file to hold it against.",
        "a ledger that was cut short would look whole",
        "look whether LEDGER_ANCHOR_DIR is a volume that lasts, and was not emptied",
        component="ml-ledger",
        dashboard=_DASHBOARD,
    ),
    Alert(
        "MLLedgerUnverified",
        f"time() - max({_VERIFIED}) > $3h_s",
        "10m",
        "warning",
        "The decision ledger has not been verified for {{ $value | humanizeDuration }}",
        "It is verified every hour; what the dashboards show of it is old.",
        "a ledger that is changed now would not be noticed",
        _LOGS,
        component="ml-ledger",
        dashboard=_DASHBOARD,
    ),
    Alert(
        "MLLedgerNeverVerified",
        f"absent({_VERIFIED}) and on () max(neural_hive_ml_records_readable) == 1",
        "3h",
        "warning",
        "The decision ledger was never verified",
        "Records are readable, and no verification is among them; it should run every hour.",
        "whether the ledger is whole is unknown",
        _LOGS,
        component="ml-ledger",
        dashboard=_DASHBOARD,
    ),
)
