"""Alerts on what the models live on: jobs, services, stores, and the tickets that come in."""

from typing import Final

from neural_hive_ml.slo.ledger_alerts import LEDGER
from neural_hive_ml.slo.rule import Alert, Group

SERVICE_JOBS: Final = ("guard-agents", "orchestrator-dynamic", "approval-service")
_RUN: Final = "max by (job_name) (neural_hive_ml_job_run_timestamp_seconds{{{}}})"
_SUCCESS: Final = "max by (job_name) (neural_hive_ml_job_success_timestamp_seconds{{{}}})"
_READABLE: Final = "on () max(neural_hive_ml_records_readable) == 1"

# Four weeks are asked, so that the alert does not end by itself when it is a week old.
_ARRIVED: Final = 'sum(increase(neural_hive_ml_tickets_received_total{{result="accepted"}}[$1h]{}))'


def _job(title: str, name: str, job: str, *, late: str, when: str, logs: str) -> tuple[Alert, ...]:
    """Return the alerts of a scheduled job: it does not run, it never ran, it fails."""
    run, success = _RUN.format(f'job_name="{job}"'), _SUCCESS.format(f'job_name="{job}"')
    return (
        Alert(
            f"{name}NotRunning",
            f"time() - {run} > ${late}_s",
            "10m",
            "warning",
            f"{title} has stopped running",
            f"Its last run ended {{{{ $value | humanizeDuration }}}} ago; it runs {when}.",
            f"nothing does the work of {title.lower()}",
            f"kubectl get cronjob -n neural-hive-ml; {logs}",
            component="ml-jobs",
        ),
        Alert(
            f"{name}NeverRan",
            f'absent(neural_hive_ml_job_run_timestamp_seconds{{job_name="{job}"}}) and {_READABLE}',
            late,
            "warning",
            f"{title} has never run",
            f"No run is on record; it should run {when}.",
            f"nothing does the work of {title.lower()}",
            f"kubectl get cronjob -n neural-hive-ml; {logs}",
            component="ml-jobs",
        ),
        Alert(
            f"{name}Failing",
            f"{run} > {success} or ({run} unless {success})",
            "5m",
            "warning",
            f"{title} fails",
            "Its last run on record failed.",
            "its work is not done until a run succeeds",
            logs,
            component="ml-jobs",
        ),
    )


JOBS: Final = (
    *_job("The drift check", "MLDriftCronJob", "drift", late="13h", when="every 6 hours",
          logs="kubectl logs -n neural-hive-ml -l app=drift-retraining --tail=200"),
    *_job("The weekly training", "MLTrainingCronJob", "training", late="8d", when="on Sundays",
          logs="kubectl logs -n neural-hive-ml -l app=ml-model-training --tail=200"),
    Alert(
        "AutoRetrainFailed",
        'max by (model_type) (increase(ml_retraining_events_total{success="false"}[$1h])) > 0',
        "0s",
        "warning",
        "A retraining of {{ $labels.model_type }} failed",
        "The champion serves on; the failure is on record in ml_retraining_events.",
        "drift was found and nothing came of it",
        "hive-ml explain, then the log of the job",
        component="ml-jobs",
    ),
    Alert(
        "AutoRetrainLongDuration",
        "max by (job_name) (neural_hive_ml_job_duration_seconds) > $2h_s",
        "0s",
        "warning",
        "The last run of job {{ $labels.job_name }} took {{ $value | humanizeDuration }}",
        "A run of more than two hours meets its deadline soon.",
        "the job will be stopped before it is done",
        "look at the amount of tickets in its window and at the job's resources",
        component="ml-jobs",
    ),
    Alert(
        "MLRecordsUnreadable",
        "max(neural_hive_ml_records_readable) == 0",
        "5m",
        "warning",
        "guard-agents cannot read the records of drift, quality and jobs",
        "The state store does not answer: all metrics made from records are absent, not zero.",
        "drift, live quality and failing jobs would not be seen",
        "look at MongoDB; predictions go on without it",
        component="ml-services",
    ),
)  # fmt: skip

SERVICES: Final = (
    Alert(
        "MLServiceDown",
        f'up{{job=~"{"|".join(SERVICE_JOBS)}"}} == 0',
        "2m",
        "critical",
        "{{ $labels.job }} does not answer Prometheus",
        "Instance {{ $labels.instance }} of {{ $labels.job }} has not been scraped for two minutes.",
        "predictions or feedback may be gone",
        "kubectl get pods and its events; the readiness answer says what is missing",
        component="ml-services",
    ),
    Alert(
        "MLServiceAbsent",
        " or ".join(f'absent(up{{job="{service}"}})' for service in SERVICE_JOBS),
        "5m",
        "critical",
        "Prometheus knows no {{ $labels.job }}",
        "No target of {{ $labels.job }} exists: it is not deployed, or its ServiceMonitor selects nothing.",
        "nothing is measured of this service, so no other alert of it can fire",
        "compare the Service's labels with the ServiceMonitor",
        component="ml-services",
    ),
    Alert(
        "MLServingDegraded",
        'sum by (route) (increase(neural_hive_ml_prediction_requests_total{outcome="degraded"}[$10m])) '
        "/ (sum by (route) (increase(neural_hive_ml_prediction_requests_total"
        '{outcome!="client_error"}[$10m])) > 20) > 0.05',
        "5m",
        "warning",
        "{{ $value | humanizePercentage }} of the answers on {{ $labels.route }} are degraded",
        "They came without a model, or from stale statistics, and say so.",
        "tickets are judged by rules alone",
        "look at which models the services hold and which dependency is down",
        component="ml-services",
    ),
    Alert(
        "MLDependencyDown",
        "min by (job, dependency) (neural_hive_ml_dependency_up) == 0",
        "10m",
        "warning",
        "{{ $labels.job }} cannot use {{ $labels.dependency }}",
        "The last use failed, for ten minutes now.",
        "services answer from what they hold, feedback and records wait",
        "look at the dependency itself, then at the network policy",
        component="ml-services",
    ),
    Alert(
        "MLRegistryUnreachable",
        "time() - max by (job) (neural_hive_ml_model_source_contact_timestamp_seconds) > $15m_s",
        "5m",
        "warning",
        "{{ $labels.job }} has not reached the model registry for {{ $value | humanizeDuration }}",
        "It serves its last known good models.",
        "a promotion or a rollback would not arrive",
        "kubectl logs -n mlflow -l app=mlflow-server",
        component="ml-services",
    ),
    Alert(
        "MLPredictionLogLosing",
        'sum(increase(neural_hive_ml_prediction_log_total{result="dropped"}[$5m])) > 0',
        "5m",
        "warning",
        "Predictions are lost to feedback",
        '{{ $value | printf "%.0f" }} predictions were not logged in five minutes: the store does not keep up.',
        "live quality is measured on what was logged only",
        "look at the state store's latency and the depth of the queue",
        component="feedback-loop",
    ),
    Alert(
        "MLStatisticsStale",
        "time() - max(neural_hive_ml_statistics_timestamp_seconds) > $1h_s "
        'and on () sum(increase(neural_hive_ml_tickets_received_total{result="accepted"}[$1h])) > 0',
        "10m",
        "warning",
        "Features are made from statistics {{ $value | humanizeDuration }} old",
        "Tickets arrive, but the statistics snapshot does not move: its one writer has stopped.",
        "predictions know nothing of what happened since",
        "look which process holds the lease of the statistics writer",
        component="ml-services",
    ),
)

INPUT: Final = (
    Alert(
        "MLTicketsStopped",
        f"{_ARRIVED.format('')} == 0 and ("
        + " or ".join(f"{_ARRIVED.format(f' offset ${days}d')} > 20" for days in (7, 14, 21, 28))
        + ")",
        "15m",
        "warning",
        "No ticket has arrived for an hour",
        "At this hour of one of the last four weeks there were more than twenty.",
        "the models watch nothing; all else looks well",
        "look at the orchestrator's ticket topic and at the consumer group",
        component="ml-input",
    ),
    Alert(
        "MLTicketsInvalid",
        'sum(increase(neural_hive_ml_tickets_received_total{result="invalid"}[$15m])) '
        "/ sum(increase(neural_hive_ml_tickets_received_total[$15m])) > 0.05 "
        'and sum(increase(neural_hive_ml_tickets_received_total{result="invalid"}[$15m])) > 10',
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the tickets are invalid",
        "They are in quarantine with the reason, none is lost.",
        "these tickets have no prediction",
        "hive-ml tickets quarantine list shows the reasons",
        component="ml-input",
    ),
    Alert(
        "MLQuarantineGrowing",
        "max(delta(neural_hive_ml_quarantined_documents[$1h])) > 10",
        "15m",
        "warning",
        '{{ $value | printf "%.0f" }} documents went into quarantine within an hour',
        "Someone sends documents that are no tickets.",
        "these documents are neither learned from nor judged",
        "hive-ml tickets quarantine list; mend the sender, then hive-ml tickets quarantine replay",
        component="ml-input",
    ),
    Alert(
        "MLDeadLettersGrowing",
        "sum by (stream) (increase(neural_hive_ml_dead_letters_total[$15m])) > 0",
        "0s",
        "warning",
        "Messages of stream {{ $labels.stream }} were given up",
        '{{ $value | printf "%.0f" }} messages failed after all retries and lie in the dead letter stream.',
        "these tickets or events have no verdict",
        "hive-ml deadletters list shows the reasons; hive-ml deadletters replay puts them back",
        component="ml-input",
    ),
    Alert(
        "MLStreamLagGrowing",
        "min_over_time(max by (stream) (neural_hive_ml_stream_lag_messages)[$15m:$1m]) > 1000",
        "5m",
        "warning",
        'Stream {{ $labels.stream }} is {{ $value | printf "%.0f" }} messages behind',
        "It has been more than 1,000 messages behind for a quarter of an hour.",
        "verdicts come late",
        "scale guard-agents, or look for a consumer that holds messages",
        component="ml-input",
    ),
    Alert(
        "MLClocksApart",
        "max(neural_hive_ml_clock_ahead_seconds) > 30",
        "10m",
        "warning",
        "Tickets come from {{ $value | humanizeDuration }} in the future",
        "The clocks of the platform and of the services are apart.",
        "durations, windows and ages are wrong by as much",
        "compare the nodes' time synchronisation",
        component="ml-input",
    ),
)

SYSTEM_GROUPS: Final = (
    Group("ml_jobs", "1m", JOBS),
    Group("ml_ledger", "1m", LEDGER),
    Group("ml_services", "30s", SERVICES),
    Group("ml_input", "1m", INPUT),
)
