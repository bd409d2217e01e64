"""Which services export metrics, and the groups of them that share a family."""

from typing import Final

from neural_hive_ml.observability.metric_spec import Service

GUARD: Final[tuple[Service, ...]] = ("guard-agents",)
ORCHESTRATOR: Final[tuple[Service, ...]] = ("orchestrator-dynamic",)
APPROVAL: Final[tuple[Service, ...]] = ("approval-service",)
PREDICTING: Final[tuple[Service, ...]] = ("guard-agents", "orchestrator-dynamic")
ALL: Final[tuple[Service, ...]] = ("guard-agents", "orchestrator-dynamic", "approval-service")
