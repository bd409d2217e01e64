"""Run under the checkout's own environment, so that the guide's `python train_...py` works as typed."""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def use_checkout_environment(script: str) -> None:
    """Re-execute `script` with the checkout's .venv when another Python started it.

    Inside an environment that has the package installed (an image, an activated venv) nothing happens.
    """
    environment = CHECKOUT / ".venv"
    python = environment / "bin" / "python"
    if Path(sys.prefix).resolve() == environment.resolve():
        return
    try:
        import neural_hive_ml  # noqa: F401 - only asks whether this Python has the package
    except ImportError:
        if not python.exists():
            sys.stderr.write(f"error: no environment at {environment} (next: run `make setup` in {CHECKOUT})\n")
            sys.exit(1)
        os.execv(python, [str(python), script, *sys.argv[1:]])  # noqa: S606 - our own interpreter, no shell
