"""The jobs of `schedule` as Kubernetes CronJobs: a generated file."""

from typing import Final

from neural_hive_ml import __version__
from neural_hive_ml.upkeep.schedule import JOBS, Job

PATH: Final = "k8s/jobs/upkeep-cronjobs.yaml"
_BACKUPS: Final = "/backups"
_ANCHOR: Final = "/var/lib/ledger-anchor"
# Who appends decisions, or moves the head file on, writes to its volume; who copies it reads. All others never see it.
_ANCHOR_RIGHTS: Final = {"rollout-check": "writes", "ledger-verify": "writes", "backup": "reads"}
# The volume can be mounted on one node at a time: the first of these pods chooses it, the others follow.
_TOGETHER: Final = """\
          affinity:
            podAffinity:
              requiredDuringSchedulingIgnoredDuringExecution:
                - labelSelector: { matchLabels: { ledger-anchor: mounted } }
                  topologyKey: kubernetes.io/hostname
"""
_HEAD: Final = """\
# Written by `hive-ml generate` from upkeep/schedule.py: what keeps the system's stores in order, day by day.
"""
_CLAIM: Final = """\
---
# The nightly backups; copy them off the cluster too.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: ml-backups
  namespace: neural-hive-ml
spec:
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 20Gi } }
"""
_JOB: Final = """\
---
# {why}.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  namespace: neural-hive-ml
  labels: {{ app: {name} }}
spec:
  schedule: "{cron}"
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {deadline}
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 1
      activeDeadlineSeconds: {longest}
      ttlSecondsAfterFinished: 172800
      template:
        metadata:
          labels: {{ app: {name}{together} }}
        spec:
          serviceAccountName: ml-training-sa
          automountServiceAccountToken: false
          restartPolicy: Never
{affinity}\
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001
            seccompProfile: {{ type: RuntimeDefault }}
          containers:
            - name: {name}
              image: ghcr.io/neural-hive/ml-training:{version}
              command: [hive-ml]
              args: [upkeep, run, {name}]
              envFrom:
                - configMapRef: {{ name: ml-settings }}
              env:
                - name: MONGODB_URI
                  valueFrom: {{ secretKeyRef: {{ name: ml-training-secrets, key: mongodb_uri }} }}
                - name: MLFLOW_TRACKING_URI
                  valueFrom: {{ secretKeyRef: {{ name: ml-training-secrets, key: mlflow_tracking_uri }} }}
                - name: MLFLOW_TRACKING_USERNAME
                  valueFrom: {{ secretKeyRef: {{ name: ml-mlflow-client, key: username, optional: true }} }}
                - name: MLFLOW_TRACKING_PASSWORD
                  valueFrom: {{ secretKeyRef: {{ name: ml-mlflow-client, key: password, optional: true }} }}
                - name: CLICKHOUSE_HOST
                  valueFrom: {{ configMapKeyRef: {{ name: ml-training-config, key: clickhouse_host }} }}
                - name: CLICKHOUSE_USER
                  valueFrom: {{ secretKeyRef: {{ name: ml-training-secrets, key: clickhouse_user, optional: true }} }}
                - name: CLICKHOUSE_PASSWORD
                  valueFrom: {{ secretKeyRef: {{ name: ml-training-secrets, key: clickhouse_password, optional: true }} }}
                - name: HIVE_VERIFY_KEYS
                  valueFrom: {{ secretKeyRef: {{ name: ml-training-secrets, key: verify_keys, optional: true }} }}
                - name: ROLLOUT_WEBHOOK_URL
                  valueFrom: {{ secretKeyRef: {{ name: ml-training-secrets, key: rollout_webhook_url, optional: true }} }}
{setting}\
              resources:
                requests: {{ cpu: 200m, memory: 512Mi }}
                limits: {{ cpu: "1", memory: 2Gi }}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{ drop: [ALL] }}
              volumeMounts:
                - {{ name: data, mountPath: /var/lib/neural-hive-ml }}
                - {{ name: tmp, mountPath: /tmp }}
{mount}\
          volumes:
            - {{ name: data, emptyDir: {{ sizeLimit: 4Gi }} }}
            - {{ name: tmp, emptyDir: {{ sizeLimit: 4Gi }} }}
{volume}"""


def cronjobs() -> dict[str, str]:
    """Return the file: path -> text."""
    return {PATH: _HEAD + "".join(_manifest(job) for job in JOBS.values()) + _CLAIM}


def _manifest(job: Job) -> str:
    keeps, anchor = job.name == "backup", _ANCHOR_RIGHTS.get(job.name)
    setting = mount = volume = ""
    if anchor:
        setting += f"                - {{ name: LEDGER_ANCHOR_DIR, value: {_ANCHOR} }}\n"
        right = ", readOnly: true" if anchor == "reads" else ""
        mount += f"                - {{ name: ledger-anchor, mountPath: {_ANCHOR}{right} }}\n"
        volume += _claimed("ledger-anchor", "ledger-anchor")
    if keeps:
        setting += f"                - {{ name: BACKUP_DIR, value: {_BACKUPS} }}\n"
        mount += f"                - {{ name: backups, mountPath: {_BACKUPS} }}\n"
        volume += _claimed("backups", "ml-backups")
    return _JOB.format(
        why=job.why[0].upper() + job.why[1:],
        name=job.name,
        cron=job.cron,
        version=__version__,
        # A look that comes late is worth nothing once the next one is due.
        deadline=min(3_600, job.period_ms // 2_000),
        longest=max(job.period_ms // 1_000 // 4, 840),
        together=", ledger-anchor: mounted" if anchor else "",
        affinity=_TOGETHER if anchor else "",
        setting=setting,
        mount=mount,
        volume=volume,
    )


def _claimed(name: str, claim: str) -> str:
    return f"            - name: {name}\n              persistentVolumeClaim: {{ claimName: {claim} }}\n"
