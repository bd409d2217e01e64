"""One door to the model families: train a candidate, or score a champion on the same hold-out."""
