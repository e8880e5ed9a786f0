"""From drives to weights, and how much better these say what others did.              [host]

Candidates are drawn twice: first for the hand-tuned weights, then for these and for what the
first round has learned.  What is held out is a whole group of drives (a recorded place): walkers
of one place are among each other's crowd.  The second round's guesses come from all of them;
they decide where samples lie, not what they count.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.learning.demonstrations import Recorded
from astro_jax.learning.maxent import (
    Choices,
    Fitted,
    Recipe,
    effective_counts,
    fit,
    log_likelihood,
)
from astro_jax.learning.proposals import Guess, choices_of
from astro_jax.learning.situations import cutter

SHARPNESS = 10.0
"""First guess of β, 1/s."""
RESAMPLES = 2000
"""Of drives, for an interval."""
Told = Callable[[str, int, int], None]
"""(what is being done, how much of it, of how much)"""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """Demonstrations ready to be fitted."""

    choices: Choices
    """Leading axis: moments; NumPy."""
    of: tuple[str, ...]
    """The name of the drive that each is a moment of."""
    left_out: Counter[str]
    """Moments by reason."""

    def groups(self) -> list[str]:
        """What is before the first / of each drive's name."""
        return [name.split("/")[0] for name in self.of]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """How likely the moments of one group are under weights that were fitted without it."""

    group: str
    moments: int
    drives: int
    hand: float
    """Negative log likelihood per moment, nats: hand-tuned weights, β fitted."""
    learned: float
    gain: float
    """How much lower it is, and its 95 % interval (drives resampled)."""
    low: float
    high: float


def shown(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    drives: Sequence[Recorded],
    guesses: Sequence[tuple[PlannerParams, float]],
    each: int,
    seed: int = 0,
    tell: Told = lambda what, done, of: None,
) -> Shown:
    """Every usable moment of the drives, with candidates drawn for the guesses.

    Raises:
      InputError: there is no usable moment.
    """
    params = jax.tree.map(jnp.float32, params)
    stacked = [jax.tree.map(jnp.float32, guess) for guess in guesses]
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *stacked)
    guess = Guess(params=both[0], sharpness=both[1])
    cut = cutter(robot, config, params)
    choose = jax.jit(partial(choices_of, robot, config, each=each))
    found: list[Choices] = []
    of: list[str] = []
    left_out: Counter[str] = Counter()
    for number, drive in enumerate(drives):
        situations, without = cut(drive)
        left_out += without
        for situation in situations:
            key = jax.random.fold_in(jax.random.key(seed), len(found))
            choices = jax.device_get(choose(params, guess, situation, key))
            if not np.isfinite(choices.log_weight + choices.log_match).any():
                left_out["without candidates"] += 1
                continue
            found.append(choices)
            of.append(drive.name)
        tell("looking at what else could have been done", number + 1, len(drives))
    if not found:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none"
        raise InputError("drives", f"without a usable moment ({reasons})", "some that can be used")
    whole = jax.tree.map(lambda *leaves: np.stack(leaves), *found)
    return Shown(choices=whole, of=tuple(of), left_out=left_out)


def learn(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    drives: Sequence[Recorded],
    names: Sequence[str],
    recipe: Recipe,
    each: int = 16,
    seed: int = 0,
    tell: Told = lambda what, done, of: None,
) -> tuple[Shown, Fitted]:
    """The moments of the drives with good candidates, and the weights that fit all of them."""
    key = jax.random.key(seed)
    first = shown(robot, config, params, drives, [(params, SHARPNESS)], each, seed, tell)
    hand = fit(first.choices, params, (), recipe, key)
    learned = fit(first.choices, params, names, recipe, key)
    guesses = [(params, float(hand.sharpness)), (learned.params, float(learned.sharpness))]
    second = shown(robot, config, params, drives, guesses, each, seed + 1, tell)
    return second, fit(second.choices, params, names, recipe, key)


def held_out(
    moments: Shown,
    params: PlannerParams,
    names: Sequence[str],
    recipe: Recipe,
    seed: int = 0,
) -> list[Held]:
    """Each group under the weights that all others teach, beside hand-tuned ones.

    Both have their β from the others.

    Raises:
      InputError: there is but one group.
    """
    groups = np.array(moments.groups())
    if len(set(groups)) < 2:
        raise InputError("drives", f"of {groups[0]} only", "of two places at least")
    key = jax.random.key(seed)
    choices = jax.tree.map(jnp.asarray, moments.choices)
    likelihood = jax.jit(log_likelihood)
    rows = []
    for group in sorted(set(groups)):
        inside = groups == group
        nats = []
        for fitted_names in ((), names):
            fitted = fit(choices, params, fitted_names, recipe, key, among=~inside)
            logs = likelihood(choices, fitted.params, fitted.sharpness)
            nats.append(-np.asarray(logs)[inside])
        drives = np.array(moments.of)[inside]
        low, high = resampled(nats[0] - nats[1], drives, seed)
        rows.append(
            Held(
                group=str(group),
                moments=int(inside.sum()),
                drives=len(set(drives)),
                hand=float(nats[0].mean()),
                learned=float(nats[1].mean()),
                gain=float((nats[0] - nats[1]).mean()),
                low=low,
                high=high,
            )
        )
    return rows


def resampled(gains: Float[np.ndarray, "N"], drives: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % interval of the mean over moments when whole drives are drawn again (bootstrap)."""
    _, member = np.unique(drives, return_inverse=True)
    total, count = np.bincount(member, gains), np.bincount(member)
    draws = np.random.default_rng(seed).integers(0, len(total), (RESAMPLES, len(total)))
    means = total[draws].sum(axis=1) / count[draws].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def soundness(moments: Shown, fitted: Fitted) -> tuple[float, float]:
    """Medians of how many candidates count, in both sums: a few mean that they hang on chance."""
    whole, matching = effective_counts(
        jax.tree.map(jnp.asarray, moments.choices), fitted.params, fitted.sharpness
    )
    return float(jnp.median(whole)), float(jnp.median(matching))


def log_sd_by_name(fitted: Fitted, names: Sequence[str]) -> dict[str, float]:
    """Standard deviation of the logarithm of β and of each weight."""
    return dict(zip(("sharpness", *names), np.asarray(fitted.log_sd).tolist(), strict=True))
