"""Is a candidate good, and is it better: metrics with intervals, floors, baselines, the gate."""
