"""Predictions, outcomes and human verdicts: the join, maturity, sampling for review."""
