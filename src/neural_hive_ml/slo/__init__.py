"""Promises about it all: objectives to recording rules, alerts and budgets."""
