"""Live F1 in /metrics against SQL over the stores: equal to the last bit, with late and conflicting verdicts."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import GUIDE_MODELS, PREDICTIONS
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.feedback.quality import QualityRules
from neural_hive_ml.feedback.quality_job import check_quality
from neural_hive_ml.feedback.verdict import Answer
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.observability.derived import StateDerivedCollector
from neural_hive_ml.observability.metrics import guard_agents_metrics
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.state.embedded import EmbeddedStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.memory import MemoryTicketStore

NAME = GUIDE_MODELS[0]
NOW = 1_700_000_000_000
RULES = QualityRules(maturity_ms=DAY_MS, least_labels=20)
# Nothing of the code under test: the rule of docs/feedback.md, in SQL.
ORACLE = """
WITH p AS (
    SELECT key, at_ms, document ->> 'ticket_id' AS ticket, document ->> 'decision' = 'anomaly' AS flagged,
           document ->> 'review' AS review, document ->> 'review_probability' AS chance,
           row_number() OVER (
               PARTITION BY document ->> 'ticket_id', document ->> 'stage', document ->> 'model_version'
               ORDER BY at_ms DESC, key DESC
           ) AS newest
    FROM records
    WHERE collection = 'model_predictions' AND document ->> 'model_name' = :name
      AND document ->> 'model_version' IS NOT NULL
      AND at_ms >= :now - :maturity - :window AND at_ms < :now
),
v AS (
    SELECT document ->> 'ticket_id' AS ticket, document ->> 'verdict' AS verdict, document ->> 'key_id' AS owner,
           row_number() OVER (
               PARTITION BY document ->> 'ticket_id', document ->> 'key_id', document ->> 'author'
               ORDER BY document ->> 'number' DESC
           ) AS newest
    FROM records WHERE collection = 'human_verdicts' AND at_ms < :now
),
owners AS (
    SELECT ticket, sum(verdict = 'anomaly') - sum(verdict = 'normal') AS side FROM v WHERE newest = 1 GROUP BY ticket, owner
),
votes AS (SELECT ticket, sum(side > 0) AS yes, sum(side < 0) AS no FROM owners GROUP BY ticket),
labels AS (SELECT ticket, yes > no AS anomaly FROM votes WHERE yes <> no),
kinds AS (
    SELECT p.*, anomaly, at_ms / 86400000 AS day,
           CASE WHEN flagged THEN 'flagged'
                WHEN ticket IN (SELECT ticket FROM p WHERE review = 'flagged') THEN 'elsewhere' ELSE 'rest' END AS kind
    FROM p LEFT JOIN labels USING (ticket) WHERE newest = 1
),
kept AS (
    SELECT *, CASE WHEN kind <> 'rest' THEN 1.0 WHEN review = 'audit' AND chance > 0 THEN 1.0 / chance END AS stands
    FROM kinds
),
days AS (
    SELECT day, count(stands) AS wanted, sum(stands IS NOT NULL AND anomaly IS NOT NULL) AS got FROM kept GROUP BY day
),
ripe AS (
    SELECT kept.* FROM kept JOIN days USING (day) WHERE at_ms <= :now - :maturity OR wanted > 0 AND got >= 0.99 * wanted
),
sums AS (
    SELECT kind, count(*) AS size, sum(CASE WHEN anomaly THEN stands ELSE 0.0 END) AS yes,
           sum(CASE WHEN NOT anomaly THEN stands ELSE 0.0 END) AS no
    FROM ripe GROUP BY kind
),
total AS (
    SELECT sum(CASE WHEN kind = 'flagged' THEN yes * (size / (yes + no)) END) AS tp,
           sum(CASE WHEN kind = 'flagged' THEN no * (size / (yes + no)) END) AS fp,
           sum(CASE WHEN kind <> 'flagged' THEN yes * (size / (yes + no)) END) AS fn
    FROM sums
)
SELECT 2 * tp / (2 * tp + fp + fn), tp / (tp + fp), tp / (tp + fn),
       (SELECT count(DISTINCT ticket) FROM ripe WHERE stands IS NOT NULL AND anomaly IS NOT NULL),
       (SELECT count(DISTINCT ticket) FROM ripe WHERE kind = 'flagged' AND anomaly IS NOT NULL)
FROM total
"""


def fill(state: EmbeddedStateStore, seed: int, share: float) -> None:
    """Ten days of predictions and what people said about them, with everything that goes wrong between the two."""
    rng = np.random.default_rng(seed)
    desk = VerdictDesk(state, Ledger(state), 0.1)
    records = []
    for i in range(500):
        at_ms = NOW - int(rng.integers(1, 10 * DAY_MS))
        drawn, odd = rng.random() < share, rng.random() < 0.2
        told = []
        for again in range(1 + int(rng.integers(0, 4))):
            told.append(bool(rng.random() < (0.6 if odd else 0.05)))
            chance = share if at_ms + again * HOUR_MS > NOW - 6 * DAY_MS else 0.0  # the audit began later
            document = {
                "ticket_id": f"t{i}", "model_name": NAME, "model_version": 3 if i % 50 else None,
                "stage": ("created", "running", "ended", "ended")[again], "score": float(rng.random()),
                "decision": "anomaly" if told[-1] else "normal",
                "review": "flagged" if told[-1] else "audit" if drawn and chance else "unsolicited",
                "review_probability": 1.0 if told[-1] else chance,
            }  # fmt: skip
            records.append(Record(f"p{i:04}{again}", min(at_ms + again * HOUR_MS, NOW - 1), document))
        if rng.random() < (0.6 if any(told) else 0.8):
            truth: Answer = "anomaly" if odd else "normal"
            delay = int(
                rng.choice([HOUR_MS, 3 * DAY_MS]) * rng.random()
            )  # some come after maturity, some are to come
            desk.take(truth, author="ana", key_id="a", ticket_id=f"t{i}", at_ms=at_ms + delay)
            if rng.random() < 0.3:
                second = str(rng.choice(["anomaly", "normal", "unsure"]))
                author = str(rng.choice(["ana", "rui"]))
                owner = str(rng.choice(["a", "b"]))
                desk.take(
                    second,
                    author=author,
                    key_id=owner,
                    ticket_id=f"t{i}",
                    at_ms=at_ms + delay + HOUR_MS,
                    note="again",
                )  # type: ignore[arg-type]
    state.insert(PREDICTIONS, records)


def exported(state: EmbeddedStateStore) -> dict[str, float]:
    exposition = guard_agents_metrics(StateDerivedCollector(state, cache_seconds=0)).exposition().decode()
    families = text_string_to_metric_families(exposition)
    return {
        s.name + s.labels.get("metric", ""): s.value
        for f in families
        for s in f.samples
        if s.labels.get("model_name") == NAME and set(s.labels) <= {"model_name", "metric"}
    }


@pytest.mark.parametrize(("seed", "share"), [(1, 0.25), (2, 0.5), (3, 0.2)])
def test_metrics_show_what_sql_counts(tmp_path: Path, seed: int, share: float) -> None:
    state = EmbeddedStateStore(tmp_path / "state.db")
    fill(state, seed, share)
    check_quality(MemoryTicketStore(), state, MemoryRegistry(tmp_path), RULES, now_ms=NOW, names=[NAME])
    asked = {"name": NAME, "now": NOW, "maturity": RULES.maturity_ms, "window": RULES.window_ms}
    with sqlite3.connect(tmp_path / "state.db") as db:
        f1, precision, recall, labels, flagged = db.execute(ORACLE, asked).fetchone()
        conflicts = db.execute(
            "SELECT count(*) FROM (SELECT document ->> 'ticket_id' FROM records WHERE collection = 'human_verdicts' "
            "GROUP BY 1 HAVING count(DISTINCT document ->> 'verdict') > 1)"
        ).fetchone()[0]
    shown = exported(state)
    assert conflicts > 10
    assert labels > 40
    assert shown["neural_hive_mlflow_model_f1"] == f1
    assert shown["neural_hive_mlflow_model_precision"] == precision
    assert shown["neural_hive_mlflow_model_recall"] == recall
    assert shown["neural_hive_ml_quality_labels"] == shown["neural_hive_ml_figure_labelsf1"] == labels
    assert shown["neural_hive_ml_figure_labelsprecision"] == flagged < labels
    state.close()
