"""Where the services are, and the key that opens them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from neural_hive_ml.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """Addresses of the three services and an API key; empty: none is sent."""

    guard_agents: str = "http://127.0.0.1:8080"
    orchestrator: str = "http://127.0.0.1:8081"
    approval: str = "http://127.0.0.1:8000"
    api_key: str = field(default="", repr=False)

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> "Target":
        """Read HIVE_GUARD_AGENTS_URL, HIVE_ORCHESTRATOR_URL, HIVE_APPROVAL_URL, and HIVE_API_KEY or HIVE_API_KEY_FILE.

        Raises
        ------
        UsageError
            When the key's file cannot be read.
        """
        env = os.environ if environment is None else environment
        here = Target()
        return Target(
            env.get("HIVE_GUARD_AGENTS_URL", here.guard_agents),
            env.get("HIVE_ORCHESTRATOR_URL", here.orchestrator),
            env.get("HIVE_APPROVAL_URL", here.approval),
            _key(env),
        )


def _key(env: Mapping[str, str]) -> str:
    path = env.get("HIVE_API_KEY_FILE", "")
    if env.get("HIVE_API_KEY") or not path:
        return env.get("HIVE_API_KEY", "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"HIVE_API_KEY_FILE={path} cannot be read: {error}", remedy="mount the secret") from error
