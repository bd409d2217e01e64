"""The console: a read-only page of models, live quality, drift, objectives and retraining, with or without Prometheus."""
