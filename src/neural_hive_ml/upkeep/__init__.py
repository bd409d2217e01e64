"""The life of data: what is kept for how long, what is erased, backed up, restored and brought to a new schema."""
