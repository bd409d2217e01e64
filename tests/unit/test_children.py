"""Workers do not outlive who started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import time
from neural_hive_ml.children import pool_of

def work():
    import os
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    pool_of(1).submit(work).result()
"""


def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """As by the kernel's lack of memory: nobody is left to tell the worker to stop."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker lives on")
