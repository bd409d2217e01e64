"""Where alerts go: Slack #alerts-ml-pipeline for all, the pager for critical ones too. One source, two forms.

Secrets are files (plain configuration) or keys of a Secret (Kubernetes): none is ever written here.
"""

from typing import Any, Final

from neural_hive_ml.slo.durations import scaled
from neural_hive_ml.slo.render import GENERATED, dump

CHANNEL: Final = "#alerts-ml-pipeline"
TEAM: Final = "ml-platform"
GROUP_BY: Final = ("alertname", "slo", "model_name")
SECRET: Final = "ml-alertmanager-secrets"  # noqa: S105 - the name of a Secret, not one
SECRETS_FOLDER: Final = "/etc/alertmanager/secrets"
_TITLE: Final = "[{{ .Status | toUpper }}] {{ .CommonLabels.severity }}: {{ .CommonAnnotations.summary }}"
_TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.description }}\n"
    "Impact: {{ .Annotations.impact }}\n"
    "First: {{ .Annotations.immediate_action }}{{ .Annotations.recommended_action }}\n"
    "Runbook: {{ .Annotations.runbook_url }}\n{{ end }}"
)
# (what is louder, what it makes superfluous, labels that must agree). Labels that both lack agree too, so that
# a rule over `slo` must ask that there is one.
INHIBITIONS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...]] = (
    (('severity="critical"', 'slo=~".+"'), ('severity="warning"',), ("slo",)),
    (('alertname="MLServiceAbsent"',), ('alertname=~"MLModel.+SLOUnknown"',), ()),
    (('alertname="MLRecordsUnreadable"',), ('alertname=~"MLDriftUnknown|MLModelF1ScoreSLOUnknown"',), ()),
    (('alertname="MLDriftCritical"',), ('alertname="MLDriftWarning"',), ("model_name",)),
)
_DETAILS: Final = {
    "runbook": "{{ .CommonAnnotations.runbook_url }}",
    "first": "{{ .CommonAnnotations.immediate_action }}",
}


def alertmanager_config(
    secrets_folder: str = SECRETS_FOLDER, *, time_scale: float = 1.0, pagerduty_url: str = ""
) -> str:
    """Return a configuration for Alertmanager 0.25 or newer.

    `secrets_folder` holds the files ``slack_api_url`` and ``pagerduty_routing_key``; `time_scale` shortens every
    wait as it does in rules; `pagerduty_url` is for events that go elsewhere than to PagerDuty itself.
    """
    config: dict[str, Any] = {
        "global": {
            "slack_api_url_file": f"{secrets_folder}/slack_api_url",
            "resolve_timeout": scaled("5m", time_scale),
            **({"pagerduty_url": pagerduty_url} if pagerduty_url else {}),
        },
        "route": {
            "receiver": "ml-slack",
            "group_by": list(GROUP_BY),
            "group_wait": scaled("30s", time_scale),
            "group_interval": scaled("5m", time_scale),
            "repeat_interval": scaled("4h", time_scale),
            "routes": [
                {
                    "matchers": ['severity="critical"'],
                    "receiver": "ml-critical",
                    "group_wait": scaled("5s", time_scale),
                    "repeat_interval": scaled("1h", time_scale),
                }
            ],
        },
        "inhibit_rules": [
            {"source_matchers": list(louder), "target_matchers": list(quieter), **_equal(equal)}
            for louder, quieter, equal in INHIBITIONS
        ],
        "receivers": [
            {"name": "ml-slack", "slack_configs": [_slack()]},
            {
                "name": "ml-critical",
                "slack_configs": [_slack()],
                "pagerduty_configs": [
                    {
                        "routing_key_file": f"{secrets_folder}/pagerduty_routing_key",
                        **_page(),
                        "details": _DETAILS,
                    }
                ],
            },
        ],
    }
    return GENERATED + dump(config)


def alertmanager_resource() -> str:
    """Return an AlertmanagerConfig of the Prometheus operator; it routes alerts of team ml-platform only."""
    slack = {"apiURL": {"name": SECRET, "key": "slack_api_url"}, **_operator(_slack())}
    pager = {
        "routingKey": {"name": SECRET, "key": "pagerduty_routing_key"},
        **_operator(_page()),
        "details": [{"key": key, "value": value} for key, value in _DETAILS.items()],
    }
    resource = {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "AlertmanagerConfig",
        "metadata": {
            "name": "ml-alerts",
            "namespace": "monitoring",
            "labels": {"app": "neural-hive", "component": "ml-slos", "alertmanagerConfig": "ml-alerts"},
        },
        "spec": {
            "route": {
                "receiver": "ml-slack",
                "matchers": [_matcher(f'team="{TEAM}"')],
                "groupBy": list(GROUP_BY),
                "groupWait": "30s",
                "groupInterval": "5m",
                "repeatInterval": "4h",
                "routes": [
                    {
                        "receiver": "ml-critical",
                        "matchers": [_matcher('severity="critical"')],
                        "groupWait": "5s",
                        "repeatInterval": "1h",
                    }
                ],
            },
            "inhibitRules": [
                {
                    "sourceMatch": [_matcher(text) for text in louder],
                    "targetMatch": [_matcher(text) for text in quieter],
                    **_equal(equal),
                }
                for louder, quieter, equal in INHIBITIONS
            ],
            "receivers": [
                {"name": "ml-slack", "slackConfigs": [slack]},
                {"name": "ml-critical", "slackConfigs": [slack], "pagerdutyConfigs": [pager]},
            ],
        },
    }
    return GENERATED + dump(resource)


def _equal(labels: tuple[str, ...]) -> dict[str, list[str]]:
    return {"equal": list(labels)} if labels else {}


def _slack() -> dict[str, Any]:
    return {"channel": CHANNEL, "send_resolved": True, "title": _TITLE, "text": _TEXT}


def _page() -> dict[str, Any]:
    return {"send_resolved": True, "severity": "critical", "description": "{{ .CommonAnnotations.summary }}"}


def _operator(fields: dict[str, Any]) -> dict[str, Any]:
    """Return field names as the operator writes them."""
    return {"sendResolved" if key == "send_resolved" else key: value for key, value in fields.items()}


def _matcher(text: str) -> dict[str, str]:
    """Return a matcher as the operator writes it.

    >>> _matcher('alertname=~"A|B"')
    {'name': 'alertname', 'matchType': '=~', 'value': 'A|B'}
    """
    kind = "=~" if "=~" in text else "="
    name, _, value = text.partition(kind)
    return {"name": name, "matchType": kind, "value": value.strip('"')}
