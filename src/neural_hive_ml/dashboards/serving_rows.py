"""Rows about what the models stand on: services, stores, caches, and the tickets that come in."""

from typing import Final

from neural_hive_ml.dashboards.panel import Panel, Query, Row, rising

SERVICES: Final = Row(
    "Services",
    (
        Panel(
            "Requests by outcome", "timeseries",
            (
                Query(
                    "sum by (route, outcome) (rate(neural_hive_ml_prediction_requests_total[$__rate_interval]))",
                    "{{route}} {{outcome}}",
                ),
            ),
            "Degraded answers came without a model or from old statistics, and say so.", "per_second", 12,
            stacked=True,
        ),
        Panel(
            "Dependencies", "timeline",
            (Query("min by (job, dependency) (neural_hive_ml_dependency_up)", "{{job}}: {{dependency}}"),),
            "Whether the last use of each store and of the registry worked.", "none", 12,
            names=((0, "down", "red"), (1, "up", "green")),
        ),
        Panel(
            "Cache hits", "timeseries",
            (
                Query(
                    'sum by (cache) (rate(neural_hive_ml_cache_requests_total{result="hit"}[$__rate_interval])) '
                    "/ (sum by (cache) (rate(neural_hive_ml_cache_requests_total[$__rate_interval])) > 0)",
                    "{{cache}}",
                ),
            ),
            "Share of look-ups that a cache answered.", "share", 6, least=0, most=1,
        ),
        Panel(
            "Queues", "timeseries",
            (Query("sum by (job, queue) (neural_hive_ml_queue_depth)", "{{job}}: {{queue}}"),),
            "Items waiting in bounded queues; a full one drops or pushes back.", "count", 6, least=0,
        ),
        Panel(
            "Prediction log", "timeseries",
            (
                Query(
                    "sum by (result) (rate(neural_hive_ml_prediction_log_total[$__rate_interval]))", "{{result}}"
                ),
            ),
            "Predictions kept for feedback, and those lost because the store did not keep up.", "per_second", 6,
        ),
        Panel(
            "Statistics and registry", "timeseries",
            (
                Query("time() - max(neural_hive_ml_statistics_timestamp_seconds)", "statistics behind by"),
                Query(
                    "time() - min by (job) (neural_hive_ml_model_source_contact_timestamp_seconds)",
                    "{{job}}: registry silent for",
                ),
            ),
            "How old the statistics are that features are made from, and when the registry last answered.",
            "seconds", 6, least=0,
        ),
        Panel(
            "Statistics snapshot", "stat", (Query("max(neural_hive_ml_statistics_sequence)"),),
            "Its number; every prediction names the one it was made from.", "none", 4, 5,
        ),
        Panel(
            "Records readable", "stat", (Query("max(neural_hive_ml_records_readable)"),),
            "Whether guard-agents can read what jobs wrote: drift, quality and jobs are unknown while it cannot.",
            "none", 4, 5, names=((0, "no", "red"), (1, "yes", "green")),
        ),
    ),
)  # fmt: skip

INPUT: Final = Row(
    "Tickets that come in",
    (
        Panel(
            "Tickets received", "timeseries",
            (
                Query(
                    "sum by (result) (rate(neural_hive_ml_tickets_received_total[$__rate_interval]))", "{{result}}"
                ),
            ),
            "Accepted, invalid (in quarantine with the reason) and seen before.", "per_second", 8, stacked=True,
        ),
        Panel(
            "Newest ticket", "timeseries",
            (
                Query("clamp_min(time() - max(neural_hive_ml_ticket_timestamp_seconds), 0)", "seen ago"),
                Query("max(neural_hive_ml_clock_ahead_seconds)", "from the future by"),
            ),
            "Time since the newest lifecycle event, and how far events lie in the future of our clocks.",
            "seconds", 8, least=0,
        ),
        Panel(
            "Streams", "timeseries",
            (
                Query("max by (stream) (neural_hive_ml_stream_lag_messages)", "{{stream}} unread"),
                Query(
                    "sum by (stream) (increase(neural_hive_ml_dead_letters_total[$__rate_interval]))",
                    "{{stream}} given up",
                ),
            ),
            "Messages not yet read, and those given up after their retries.", "count", 4, least=0,
        ),
        Panel(
            "In quarantine", "stat", (Query("max(neural_hive_ml_quarantined_documents)"),),
            "Documents that are no tickets, waiting for a person.", "count", 4, 8,
            rising((None, "green"), (1, "yellow"), (100, "red")),
        ),
    ),
)  # fmt: skip
