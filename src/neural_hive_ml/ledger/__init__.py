"""Decisions, append-only and hash-chained: why anything happened, and proof that nobody rewrote it."""
