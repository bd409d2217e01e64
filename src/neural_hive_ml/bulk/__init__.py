"""Many tickets at once: scored from a file or a window, predictions backfilled, verdicts carried in and out."""
