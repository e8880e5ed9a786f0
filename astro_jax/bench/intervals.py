"""How far a counted share, or a mean, may be from the true one."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

Z = float(ndtri(0.975))
RESAMPLES, MANY = 2000, 1000
"""Of the bootstrap, and the number of values above which their mean is as good as normal."""


def wilson(count: float, trials: int) -> tuple[float, float]:
    """95 % interval of a share: Wilson, "Probable inference", JASA 22, 1927.

    With p = count/n it is (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n).  A trial may count
    by a part.  Without trials nothing is known: from 0 to 1.
    """
    if not trials:
        return 0.0, 1.0
    share, extra = min(max(count / trials, 0.0), 1.0), Z**2 / trials
    middle = share + extra / 2.0
    half = Z * math.sqrt(share * (1.0 - share) / trials + extra / (4.0 * trials))
    low = 0.0 if share == 0.0 else (middle - half) / (1.0 + extra)
    return low, 1.0 if share == 1.0 else (middle + half) / (1.0 + extra)


def bootstrap(values: ArrayLike) -> tuple[float, float]:
    """95 % interval of the mean: percentiles of the means of ``RESAMPLES`` resamples.

    The same values give the same interval; of fewer than two nothing is known: NaN.  Of more than
    ``MANY`` it is mean ± z·s/√n.

    Source: Efron, "Bootstrap methods", Annals of Statistics 7, 1979.
    """
    known = np.asarray(values, np.float64)
    if len(known) < 2:
        return math.nan, math.nan
    if len(known) > MANY:
        half = Z * float(known.std(ddof=1)) / math.sqrt(len(known))
        return float(known.mean()) - half, float(known.mean()) + half
    drawn = np.random.default_rng(0).integers(len(known), size=(RESAMPLES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
