"""orchestrator-dynamic: how long will this ticket run, and how much will be completed in the hours ahead."""
