"""Every alert's fault: what Prometheus would see before, while and after it. `build` turns this into promtool's files."""

from tests.promtool.series import Case, Scenario, clock, counter, gauge

ANOMALY = 'model_name="anomaly-detector-isolation_forest"'
LOAD = 'model_name="load-predictor-60m"'
REQUESTS = "neural_hive_ml_prediction_requests_total"
BUCKET = "neural_hive_ml_prediction_latency_seconds_bucket"
COUNT = "neural_hive_ml_prediction_latency_seconds_count"
ROUTE = 'route="tickets_score"'

# One step is a minute: healthy for half an hour, faulty for six hours, healthy for nearly seven.
MINUTE, FAULT, MENDED, END = 60, 30, 400, 800
HEALTHY_AGAIN = END - MENDED
BAD = MENDED - FAULT


def level(before: float, during: float | None, after: float | None = None) -> str:
    return gauge((FAULT, before), (BAD, during), (HEALTHY_AGAIN, before if after is None else after))


def rate(before: float, during: float, after: float | None = None) -> str:
    return counter((FAULT, before), (BAD, during), (HEALTHY_AGAIN, before if after is None else after))


def stopping(*, runs_after: bool = True) -> str:
    return clock(MINUTE, (FAULT, True), (BAD, False), (HEALTHY_AGAIN, runs_after))


def latency(slow: str, quick: str, every: str) -> dict[str, str]:
    """Return a histogram whose requests end below 0.1 s, between 0.1 and 0.25 s, or above."""
    return {
        f'{BUCKET}{{{ROUTE}, le="0.05"}}': quick,
        f'{BUCKET}{{{ROUTE}, le="0.1"}}': quick,
        f'{BUCKET}{{{ROUTE}, le="0.25"}}': slow,
        f'{BUCKET}{{{ROUTE}, le="+Inf"}}': every,
        f"{COUNT}{{{ROUTE}}}": every,
    }


_F1 = {
    f"neural_hive_mlflow_model_f1{{{ANOMALY}}}": level(0.8, 0.6),
    f"neural_hive_ml_quality_timestamp_seconds{{{ANOMALY}}}": clock(MINUTE, (END, True)),
}
# Half of the requests take 0.25 s or more.
_LATENCY = latency(rate(60, 30), rate(60, 30), rate(60, 60))
_FEEDBACK = {
    'neural_hive_ml_feedback_asked{pod="a"}': level(400, 400),
    # From one ticket in four to one in fifty.
    'neural_hive_ml_feedback_answered{pod="a"}': level(100, 8),
}
# Half of the requests fail; afterwards there is so much traffic that the month comes back within its objective.
_UPTIME = {
    f'{REQUESTS}{{{ROUTE}, outcome="ok"}}': rate(60, 30, 20_000),
    f'{REQUESTS}{{{ROUTE}, outcome="server_error"}}': rate(0, 30),
}

MINUTES = Scenario(
    "minutes",
    MINUTE,
    FAULT,
    MENDED,
    END,
    (
        *(
            Case(f"MLModelF1Score{end}", _F1)
            for end in ("SLOBreach", "SLOCritical", "ErrorBudgetFastBurn", "ErrorBudgetSlowBurn")
        ),
        *(
            Case(f"MLModelLatency{end}", _LATENCY)
            for end in ("SLOBreach", "SLOCritical", "ErrorBudgetFastBurn", "ErrorBudgetSlowBurn")
        ),
        *(
            Case(f"MLModelFeedbackRate{end}", _FEEDBACK)
            for end in ("SLOBreach", "SLOCritical", "ErrorBudgetSlowBurn")
        ),
        Case("MLModelUptimeSLOBreach", _UPTIME),
        Case("MLModelUptimeSLOCritical", _UPTIME),
        Case("MLModelAvailabilityErrorBudgetFastBurn", _UPTIME),
        Case("MLModelAvailabilityErrorBudgetSlowBurn", _UPTIME),
        Case("MLModelOverallSLONonCompliant", {}),
        Case("MLDriftWarning", {f"neural_hive_ml_drift_detected{{{ANOMALY}}}": level(0, 1)}),
        Case("MLDriftCritical", {f"model_drift_score{{{ANOMALY}}}": level(0.05, 0.8)}),
        Case(
            "MLFeatureDriftHigh",
            {f'neural_hive_ml_feature_drift_score{{{ANOMALY}, feature="retry_count"}}': level(0.05, 0.4)},
        ),
        Case("MLModelLowF1Score", _F1),
        Case("MLModelNotLoaded", {f'neural_hive_ml_model_version{{{ANOMALY}, alias="champion"}}': level(3, None)}),
        Case(
            "MLModelArtifactRefused",
            {f'neural_hive_ml_model_load_errors_total{{{ANOMALY}, reason="digest"}}': rate(0, 1, 0)},
        ),
        Case(
            "MLModelLoadFailing",
            {f'neural_hive_ml_model_load_errors_total{{{ANOMALY}, reason="golden_rows"}}': rate(0, 2, 0)},
        ),
        Case(
            "MLModelVersionsDiffer",
            {
                f'neural_hive_ml_model_version{{{LOAD}, alias="champion", pod="a"}}': level(3, 4, 4),
                f'neural_hive_ml_model_version{{{LOAD}, alias="champion", pod="b"}}': level(3, 3, 4),
            },
        ),
        Case(
            "AutoRetrainFailed",
            {
                'ml_retraining_events_total{model_type="anomaly", success="false"}': gauge(
                    (FAULT, 0), (END - FAULT, 1)
                )
            },
        ),
        Case(
            "AutoRetrainLongDuration", {'neural_hive_ml_job_duration_seconds{job_name="drift"}': level(600, 8000)}
        ),
        Case("MLLedgerBroken", {'neural_hive_ml_ledger_standing{standing="broken"}': level(0, 1)}),
        Case("MLLedgerUnanchored", {'neural_hive_ml_ledger_standing{standing="unanchored"}': level(0, 1)}),
        Case("MLRecordsUnreadable", {"neural_hive_ml_records_readable": level(1, 0)}),
        Case("MLServiceDown", {'up{job="guard-agents", instance="a"}': level(1, 0)}),
        Case("MLServiceAbsent", {'up{job="approval-service", instance="a"}': level(1, None)}),
        Case(
            "MLServingDegraded",
            {
                f'{REQUESTS}{{route="enrich", outcome="ok"}}': rate(60, 50),
                f'{REQUESTS}{{route="enrich", outcome="degraded"}}': rate(0, 10, 0),
            },
        ),
        Case(
            "MLDependencyDown",
            {'neural_hive_ml_dependency_up{job="guard-agents", dependency="redis"}': level(1, 0)},
        ),
        Case(
            "MLRegistryUnreachable",
            {'neural_hive_ml_model_source_contact_timestamp_seconds{job="guard-agents"}': stopping()},
        ),
        Case("MLPredictionLogLosing", {'neural_hive_ml_prediction_log_total{result="dropped"}': rate(0, 5, 0)}),
        Case("MLStatisticsStale", {"neural_hive_ml_statistics_timestamp_seconds": stopping()}),
        Case(
            "MLTicketsInvalid",
            {
                'neural_hive_ml_tickets_received_total{result="accepted"}': counter((END, 60)),
                'neural_hive_ml_tickets_received_total{result="invalid"}': rate(0, 6, 0),
            },
        ),
        Case("MLQuarantineGrowing", {"neural_hive_ml_quarantined_documents": rate(0, 1, 0)}),
        Case("MLDeadLettersGrowing", {'neural_hive_ml_dead_letters_total{stream="tickets"}': rate(0, 1, 0)}),
        Case("MLStreamLagGrowing", {'neural_hive_ml_stream_lag_messages{stream="tickets"}': level(3, 5000)}),
        Case("MLClocksApart", {"neural_hive_ml_clock_ahead_seconds": level(0, 90)}),
        # So that nothing above is hidden by an absent alert.
        Case("", {'up{job="orchestrator-dynamic", instance="a"}': gauge((END, 1))}),
    ),
)

GONE = Scenario(
    "gone",
    MINUTE,
    FAULT,
    MENDED,
    END,
    (
        Case("MLModelLatencySLOUnknown", latency(*[gauge((FAULT, 60), (BAD, None), (HEALTHY_AGAIN, 60))] * 3)),
        Case("MLModelUptimeSLOUnknown", {f'{REQUESTS}{{{ROUTE}, outcome="ok"}}': level(9, None)}),
        Case(
            "MLModelFeedbackRateSLOUnknown",
            {"neural_hive_ml_feedback_asked": level(9, None)},
        ),
    ),
)

# One step is an hour: healthy for ten days, faulty for twenty-five, healthy for five.
HOUR, DAY = 3600, 24
L_FAULT, L_MENDED, L_END = 10 * DAY, 35 * DAY, 40 * DAY


def long_level(before: float | None, during: float | None) -> str:
    return gauge((L_FAULT, before), (L_MENDED - L_FAULT, during), (L_END - L_MENDED, before))


def long_stopping(*, again: bool = True) -> str:
    return clock(HOUR, (L_FAULT, True), (L_MENDED - L_FAULT, False), (L_END - L_MENDED, again))


_ALWAYS = clock(HOUR, (L_END, True))

DAYS = Scenario(
    "days",
    HOUR,
    L_FAULT,
    L_MENDED,
    L_END,
    (
        Case(
            "MLModelF1ScoreSLOUnknown",
            {
                f"neural_hive_mlflow_model_f1{{{ANOMALY}}}": long_level(0.8, None),
                f"neural_hive_ml_quality_timestamp_seconds{{{ANOMALY}}}": _ALWAYS,
            },
        ),
        Case(
            "MLDriftUnknown",
            {
                f"neural_hive_ml_drift_answer_timestamp_seconds{{{ANOMALY}}}": long_stopping(),
                f"neural_hive_ml_drift_check_timestamp_seconds{{{ANOMALY}}}": _ALWAYS,
            },
        ),
        Case(
            "NoRetrainWithDrift",
            {
                f"neural_hive_ml_drift_detected{{{LOAD}}}": long_level(0, 1),
                'ml_retraining_events_total{model_type="load", success="true"}': gauge((L_END, 2)),
            },
        ),
        Case(
            "MLLoadForecastInaccurate",
            {f'neural_hive_ml_model_quality{{{LOAD}, metric="mase"}}': long_level(0.9, 2.0)},
        ),
        Case(
            "MLLabelsLate",
            {
                f"neural_hive_ml_labels_overdue{{{ANOMALY}}}": long_level(5, 400),
                f"neural_hive_ml_quality_labels{{{ANOMALY}}}": gauge((L_END, 200)),
            },
        ),
        Case(
            "MLModelStale",
            {f"neural_hive_ml_model_trained_timestamp_seconds{{{ANOMALY}}}": long_stopping()},
        ),
        Case(
            "MLDriftCronJobNotRunning",
            {
                'neural_hive_ml_job_run_timestamp_seconds{job_name="drift"}': long_stopping(),
                'neural_hive_ml_job_success_timestamp_seconds{job_name="drift"}': long_stopping(),
            },
        ),
        Case(
            "MLTrainingCronJobNotRunning",
            {
                'neural_hive_ml_job_run_timestamp_seconds{job_name="training"}': long_stopping(),
                'neural_hive_ml_job_success_timestamp_seconds{job_name="training"}': long_stopping(),
            },
        ),
        Case("MLLedgerUnverified", {"neural_hive_ml_ledger_verification_timestamp_seconds": long_stopping()}),
        Case(
            "MLTicketsStopped",
            {
                'neural_hive_ml_tickets_received_total{result="accepted"}': counter(
                    (L_FAULT, 300), (L_MENDED - L_FAULT, 0), (L_END - L_MENDED, 300)
                )
            },
        ),
    ),
)

FAILING = Scenario(
    "failing",
    HOUR,
    L_FAULT,
    L_MENDED,
    L_END,
    tuple(
        Case(
            f"ML{name}CronJobFailing",
            {
                f'neural_hive_ml_job_run_timestamp_seconds{{job_name="{job}"}}': _ALWAYS,
                f'neural_hive_ml_job_success_timestamp_seconds{{job_name="{job}"}}': long_stopping(),
            },
        )
        for name, job in (("Drift", "drift"), ("Training", "training"))
    ),
)

NEVER = Scenario(
    "never",
    HOUR,
    L_FAULT,
    L_MENDED,
    L_END,
    (
        Case("", {"neural_hive_ml_records_readable": gauge((L_END, 1))}),
        *(
            Case(
                f"ML{name}CronJobNeverRan",
                {
                    f'neural_hive_ml_job_run_timestamp_seconds{{job_name="{job}"}}': long_level(5, None),
                },
            )
            for name, job in (("Drift", "drift"), ("Training", "training"))
        ),
        Case(
            "MLLedgerNeverVerified", {"neural_hive_ml_ledger_verification_timestamp_seconds": long_level(5, None)}
        ),
    ),
)

SCENARIOS = (MINUTES, GONE, DAYS, FAILING, NEVER)

# Alerts that fire where Prometheus knows nothing at all, and how many of each.
FIRES_WITHOUT_DATA = {
    "MLModelF1ScoreSLOUnknown": 1,
    "MLModelLatencySLOUnknown": 1,
    "MLModelFeedbackRateSLOUnknown": 1,
    "MLModelUptimeSLOUnknown": 1,
    "MLServiceAbsent": 3,
}
