"""What is wrong and what mends it: one small module a group of checks, each check with its answer and its next step."""

from neural_hive_ml.diagnosis.check import Check, Status
from neural_hive_ml.diagnosis.examine import examine

__all__ = ["Check", "Status", "examine"]
