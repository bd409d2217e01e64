"""The import path that the guide names; a facade over neural_hive_ml, nothing else."""
