"""Composition root of approval-service: the state store and the ledger, no model."""

from typing import TYPE_CHECKING

from neural_hive_ml.bootstrap import open_ledger, open_state, open_tickets
from neural_hive_ml.bootstrap_http import open_gate
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.settings import Settings

if TYPE_CHECKING:
    from neural_hive_ml.serving.approval.app import Approval


def approval(settings: Settings) -> "Approval":
    """Wire approval-service; the target of its rate is the objective's."""
    from functools import cache

    from neural_hive_ml.feedback.desk import VerdictDesk
    from neural_hive_ml.observability.metrics import approval_metrics
    from neural_hive_ml.serving.approval.app import Approval
    from neural_hive_ml.slo.spec import load_objectives

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    state = open_state(settings)
    target = next(one.target for one in load_objectives().objectives if one.slug == "feedback_rate")
    return Approval(
        VerdictDesk(state, open_ledger(settings, state), target),
        approval_metrics(aliases=settings.flag("HIVE_METRIC_ALIASES")),
        open_gate(settings, "approval-service"),
        SystemClock(),
        # Opened when a history is first asked for: verdicts are taken without it.
        cache(lambda: open_tickets(settings)),
    )
