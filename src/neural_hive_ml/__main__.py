"""`python -m neural_hive_ml` is `hive-ml`."""

from neural_hive_ml.cli.app import main

main()
