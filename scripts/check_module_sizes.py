"""Fail when a module is above 400 lines, or the median above 120: small modules, one concept each."""

import statistics
import sys
from pathlib import Path

LIMIT, MEDIAN_LIMIT = 400, 120
sizes = {
    path: sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    for path in Path("src").rglob("*.py")
}
sizes = {path: size for path, size in sizes.items() if size > 0}
too_big = {path: size for path, size in sizes.items() if size > LIMIT}
median = statistics.median(sizes.values())
sys.stdout.write(f"{len(sizes)} modules, median {median:.0f} lines, largest {max(sizes.values())}\n")
for path, size in too_big.items():
    sys.stdout.write(f"{path}: {size} lines, more than {LIMIT}: split it by concept\n")
sys.exit(1 if too_big or median > MEDIAN_LIMIT else 0)
