"""Why anything happened: append-only, hash-chained decisions."""
