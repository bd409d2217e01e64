"""guard-agents: is this ticket anomalous, now, and why."""
