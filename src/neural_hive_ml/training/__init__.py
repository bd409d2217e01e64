"""Data to candidate: time-ordered splits and the model families."""
