"""Dashboards as code: one description of each panel, drawn by Grafana and by `hive-ml console`."""
