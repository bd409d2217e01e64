"""What is live: packed artifacts, their verification, MLflow, the published pointer, rollout."""
