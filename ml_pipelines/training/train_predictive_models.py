#!/usr/bin/env python3
"""The guide's training command; everything it does is `hive-ml train`."""

import sys

from _environment import use_checkout_environment

# Processes that run trials import this file again.
if __name__ == "__main__":
    use_checkout_environment(__file__)

    from neural_hive_ml.cli.app import run
    from neural_hive_ml.cli.train import train_command

    sys.exit(run(train_command))
