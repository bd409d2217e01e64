"""A service as its own process, spoken to over HTTP as the platform does; and models published for it."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from neural_hive_ml.evaluation.verdict import Outcome, Verdict
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.promotion import promote
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.training.request import Candidate
from tests.support.ports import free_port


@contextmanager
def served(
    folder: Path, service: str = "guard-agents", **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run `hive-ml serve SERVICE` on a free port; its log is ``service.log`` of the folder. Killed at the end."""
    port = free_port()
    command = [sys.executable, "-m", "neural_hive_ml", "serve", service, "--port", str(port)]
    known = {"HIVE_DATA_DIR": str(folder), "PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    known["HIVE_STATISTICS_SECONDS"] = "0.2"
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, env={**known, **environment}, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()
            process.wait(10)


def publish(folder: Path, candidates: Iterable[Candidate]) -> None:
    """Register and promote candidates, so that services of this data folder serve them."""
    registry, state = MemoryRegistry(folder), MemoryStateStore()
    for made in candidates:
        version = registry.register(made.model, made.evaluation, Verdict(Outcome.PROMOTE, ("for a test",)), {})
        promote(registry, state, version, actor="test", reason="for a test", at_ms=1)
