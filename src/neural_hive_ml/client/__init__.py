"""The services' API for other programs: typed, bounded in time, sync and async; needs httpx and msgspec only.

from neural_hive_ml.client import Client

with Client.from_environment() as hive:
    verdict = hive.score(ticket)
    if verdict.is_anomaly:
        hive.feedback("normal", prediction_id=verdict.prediction_id, note="planned work")
"""

from neural_hive_ml.client.aio import AsyncClient
from neural_hive_ml.client.answers import (
    BatchItem,
    Contribution,
    DurationForecast,
    Enrichment,
    LoadForecast,
    Refusal,
    TicketVerdict,
    VerdictReceipt,
)
from neural_hive_ml.client.patience import Patience
from neural_hive_ml.client.problems import ApiProblem, Unreachable
from neural_hive_ml.client.sync import Client
from neural_hive_ml.client.target import Target

__all__ = [
    "ApiProblem",
    "AsyncClient",
    "BatchItem",
    "Client",
    "Contribution",
    "DurationForecast",
    "Enrichment",
    "LoadForecast",
    "Patience",
    "Refusal",
    "Target",
    "TicketVerdict",
    "Unreachable",
    "VerdictReceipt",
]
