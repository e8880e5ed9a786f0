"""How far a counted share, or a mean, may be from the true one."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

RESAMPLES = 2000


def wilson(count: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share: Wilson, "Probable inference", JASA 22, 1927.

    Without trials nothing is known: from 0 to 1.
    """
    if not trials:
        return 0.0, 1.0
    interval = binomtest(count, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean: percentiles of the means of ``RESAMPLES`` resamples.

    The same values give the same interval; of fewer than two nothing is known: NaN.

    Source: Efron, "Bootstrap methods", Annals of Statistics 7, 1979.
    """
    if len(values) < 2:
        return math.nan, math.nan
    known = np.asarray(values, np.float64)
    random = np.random.default_rng(0)
    means = [known[random.integers(len(known), size=len(known))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
