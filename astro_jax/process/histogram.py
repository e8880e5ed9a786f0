"""How long things take, counted in bounded memory.                                   [host]"""

from typing import Any

import numpy as np

EDGES_MS = np.concatenate([[0.0], np.geomspace(0.01, 10_000.0, 601)])
"""Sixty bins per factor of ten: a quantile is right within 2 % above .1 ms, .01 ms below."""


class Histogram:
    """Counts of durations."""

    def __init__(self) -> None:
        """Empty."""
        self._counts = np.zeros(len(EDGES_MS), np.int64)
        self.count, self.worst = 0, 0.0

    def add(self, seconds: float) -> None:
        """One more; below zero counts as zero."""
        ms = max(1e3 * seconds, 0.0)
        self._counts[int(np.searchsorted(EDGES_MS, ms, side="right")) - 1] += 1
        self.count += 1
        self.worst = max(self.worst, ms)

    def quantile(self, share: float) -> float:
        """Upper edge of the bin in which it lies, ms; the worst if that is less; 0 if empty."""
        if not self.count:
            return 0.0
        reached = np.searchsorted(np.cumsum(self._counts), np.ceil(share * self.count - 1e-9))
        edge = EDGES_MS[min(int(reached) + 1, len(EDGES_MS) - 1)]
        return float(min(edge, self.worst))

    def summary(self) -> dict[str, Any]:
        """For a report, ms."""
        shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
        found = {name: round(self.quantile(share), 3) for name, share in shares.items()}
        return {"count": self.count, **found, "worst": round(self.worst, 3)}
