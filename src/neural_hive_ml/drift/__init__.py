"""Has the world changed: reference profiles, distances, calibrated nulls."""
