#!/usr/bin/env python3
"""The guide's drift and retraining job; everything it does is `hive-ml retraining run`."""

import sys

from _environment import use_checkout_environment

use_checkout_environment(__file__)

from neural_hive_ml.cli.app import run  # noqa: E402 - the environment is settled first
from neural_hive_ml.cli.retraining import run_command  # noqa: E402 - the environment is settled first

sys.exit(run(run_command))
