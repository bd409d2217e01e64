"""ML operations for the Neural Hive-Mind: learn from execution tickets, predict live, know when stale.

The tree is the data flow; `neural_hive_ml.flow` tells it again on one page.
"""

__version__ = "0.1.0"
