"""When to train again: a decision with reasons, taken by one job at a time, never by noise."""
