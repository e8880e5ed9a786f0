"""How far a counted share may be from the true one."""

from scipy.stats import binomtest


def wilson(count: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share: Wilson, "Probable inference", JASA 22, 1927.

    Without trials nothing is known: from 0 to 1.
    """
    if not trials:
        return 0.0, 1.0
    interval = binomtest(count, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)
