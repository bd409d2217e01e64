"""approval-service: people judge predictions, and see how far their feedback goes."""
