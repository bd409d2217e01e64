"""A start with a registry that says nothing: the last known good model answers at once, with its statistics in place."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.services.test_ticket_stream import folder, later_tickets, service_with_model

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.errors import RegistryUnavailable
from neural_hive_ml.registry.port import Published
from neural_hive_ml.serving.guard_agents.app import GuardAgents
from neural_hive_ml.settings import load_settings

__all__ = ["folder"]


@dataclass
class Silent:
    """A registry that does not answer, and what the service could say while it was asked."""

    service: GuardAgents
    answers: list[tuple[bool, int]] = field(default_factory=list)

    def current(self, name: str, alias: str) -> Published | None:
        answer = self.service.scoring.score(later_tickets()[0])
        self.answers.append((answer.degraded, answer.statistics_sequence))
        raise RegistryUnavailable(f"{name}@{alias}: no answer")


def test_it_answers_while_the_registry_is_asked(folder: Path) -> None:
    usual = service_with_model(folder).scoring.score(later_tickets()[0])
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    silent = Silent(service)
    service.scoring.slot.source = silent  # type: ignore[assignment] # asked for the pointer only
    assert service.refresh()["outcome"] == "failed"
    assert silent.answers[0] == (False, usual.statistics_sequence)
    assert service.scoring.score(later_tickets()[0]).anomaly_score == usual.anomaly_score
