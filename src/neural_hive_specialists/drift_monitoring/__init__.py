"""Drift monitoring, as the guide imports it."""
