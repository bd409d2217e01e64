"""Composition root of the console: Prometheus, the stores and the ledger, to read only."""

from functools import cache
from typing import TYPE_CHECKING

from neural_hive_ml.bootstrap import open_ledger, open_registry, open_state
from neural_hive_ml.bootstrap_http import open_keyring, open_spans
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.settings import Settings

if TYPE_CHECKING:
    from neural_hive_ml.serving.console.app import Console


def console(settings: Settings, prometheus_url: str) -> "Console":
    """Wire the console. It opens the registry when first asked: mlflow takes seconds to load."""
    import httpx

    from neural_hive_ml.dashboards.files import dashboards
    from neural_hive_ml.serving.console.app import Console
    from neural_hive_ml.slo.prometheus import Prometheus
    from neural_hive_ml.slo.spec import load_objectives

    objectives = load_objectives()
    state = open_state(settings)
    client = httpx.Client(timeout=settings.number("STORE_TIMEOUT_SECONDS"))
    return Console(
        dashboards(objectives),
        objectives,
        Prometheus(prometheus_url, client),
        state,
        open_ledger(settings, state),
        cache(lambda: open_registry(settings)),
        SystemClock(),
        open_keyring(settings),
        open_spans(settings, "console"),
    )
