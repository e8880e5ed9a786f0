"""Params down the slopes of closed loops: Adam on what whole drives came to.            [host]

In: a function that drives tasks with params and tells what came of it *and its slopes in the
params* (the derivative goes through sensing, mapping, plan, gate and wheels: ``sim/rollout.py``),
the hand-tuned params, their names that may change.  Out: params, step by step.

Of a drive of fixed length counts (all smooth in the motion; the time of arrival is not)

    late  mean of the cost-to-go along the true motion, over that at the start
    jerk  root mean square, m/s³
    near  mean of σ softplus((d − gap)/σ) over people and time, m

beside the hand-tuned drive of the same task with the same random numbers:

    c = mean_i [ log(late_i / late_i⁰) + κ log(jerk_i / jerk_i⁰) ]
    g = mean_i [ near_i − near_i⁰ ]

What is minimised is c with g ≤ 0, by the augmented Lagrangian of ``closed_loop.py``, with a slower
multiplier; x = log of the params.  A closed loop is chaotic: where a choice hangs on a hair,
slopes say much and mean nothing.  Each drive's slope is therefore cut to ``LONGEST`` times the
median length of its batch, and one that is not finite does not count.

Sources: Kingma, Ba, Adam, ICLR 2015; Pascanu, Mikolov, Bengio, On the difficulty of training
recurrent neural networks, ICML 2013 (clipping); Metz et al., Gradients are not all you need,
arXiv 2111.05803 (slopes of chaotic loops).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optax
from jaxtyping import Float, Int

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.archive import write_arrays
from astro_jax.learning.closed_loop import Search, Task, check, identity_of, tasks_of
from astro_jax.learning.features import with_weights
from astro_jax.learning.record import read_search

FORM, VERSION = "astro_jax descent", 1
LATE, JERK, NEAR = range(3)
"""Columns of an outcome."""
LONGEST = 2.0
"""Of the slope of one drive's cost, in medians of its batch: in the crossing suite that of log jerk
is .13 long in the median after 4 s, one of six is longer than 10, in any direction."""
STIFFNESS = 50.0
"""μ, 1/m: two centimetres nearer in the mean weigh as much as e in time."""
PATIENT = 0.1
"""λ moves by this share of μ g: faster, and both swing around the bound for ever."""
MOMENTUM, SETTLES = 0.5, 10.0
"""Of Adam; and steps after which its rate falls, as 1/√steps."""
FARTHEST = math.log(4.0)
"""No param is moved by more than this factor."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Slopes:
    """B drives, W params."""

    outcome: Float[np.ndarray, "B 3"]
    """Late, jerk, near."""
    slope: Float[np.ndarray, "B 3 W"]
    """Its derivatives in the logarithms of the params."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """Where the search stood, and what it saw there."""

    x: Float[np.ndarray, "W"]
    tasks: Int[np.ndarray, "B"]
    outcome: Float[np.ndarray, "B 3"]
    slope: Float[np.ndarray, "B 3 W"]
    hand: Float[np.ndarray, "B 3"]
    multiplier: Float[np.ndarray, ""]


NAMES = tuple(field.name for field in dataclasses.fields(Step))
Drive = Callable[[PlannerParams, Sequence[Task]], Slopes]
"""Params and tasks → what came of them, in their order."""


def descend(
    drive: Drive,
    params: PlannerParams,
    tasks: Sequence[Task],
    search: Search,
    steps: int,
    rate: float = 0.1,
    record: Path | None = None,
    log: Callable[[Mapping[str, float], int], None] = lambda scalars, step: None,
) -> tuple[PlannerParams, list[Step]]:
    """The params after so many steps of Adam, and what was seen on the way.

    Of ``search`` names, batch, smoothness and seed count.  With ``record`` every step is kept
    there, and a descent that was interrupted goes on from it as if it had not been.

    Raises:
      InputError: names that cannot be tuned, no task, a rate that is none, or a record of
        something else.
    """
    check(params, tasks, search)
    if not 0.0 < rate <= 1.0:
        raise InputError("rate", rate, "a number above 0 and up to 1")
    identity = {**identity_of(params, tasks, search, params), "rate": rate}
    start = np.log([float(getattr(params, name)) for name in search.names])
    low, high = _bounds(params, search.names)
    falling = lambda step: rate / (1.0 + step / SETTLES) ** 0.5
    rule = optax.adam(falling, b1=MOMENTUM)
    x, state = start, rule.init(start)
    done: list[Step] = []
    known: dict[int, np.ndarray] = {}

    def after(step: Step) -> np.ndarray:
        nonlocal state
        change, state = rule.update(downhill(step, search.smoothness), state)
        return np.clip(step.x + np.asarray(change, np.float64), low, high)

    for past in read_steps(record, identity) if record is not None and record.exists() else []:
        if not np.allclose(past.x, x, rtol=0.0, atol=1e-5):
            expected = "steps that this search would have taken"
            raise InputError("record", "another search's", expected, str(record))
        known.update(zip(past.tasks.tolist(), past.hand, strict=True))
        done.append(past)
        x = after(past)
    while len(done) < steps:
        chosen = tasks_of(len(tasks), search, len(done))
        if new := [int(task) for task in chosen if int(task) not in known]:
            hand = drive(params, [tasks[task] for task in new]).outcome
            known.update(zip(new, hand, strict=True))
        own = with_weights(params, search.names, np.exp(x).tolist())
        found = drive(own, [tasks[task] for task in chosen])
        newest = Step(
            x=x,
            tasks=chosen,
            outcome=found.outcome,
            slope=found.slope,
            hand=np.stack([known[int(task)] for task in chosen]),
            multiplier=np.array(next_multiplier(done[-1]) if done else 0.0),
        )
        done.append(newest)
        if record is not None:
            arrays = {name: np.stack([getattr(step, name) for step in done]) for name in NAMES}
            write_arrays(record, FORM, VERSION, arrays, identity)
        log(scalars(newest, search), len(done) - 1)
        x = after(newest)
    return with_weights(params, search.names, np.exp(x).tolist()), done


def cost_and_breach(step: Step, smoothness: float) -> tuple[float, float]:
    """(c, g) of a step."""
    # where nobody is, near is nothing at all: no ratio of it
    change = np.log(step.outcome[:, :NEAR] / step.hand[:, :NEAR])
    cost = change[:, LATE] + smoothness * change[:, JERK]
    return float(cost.mean()), float((step.outcome - step.hand)[:, NEAR].mean())


def next_multiplier(step: Step) -> float:
    """λ after a step."""
    return max(0.0, float(step.multiplier) + PATIENT * STIFFNESS * cost_and_breach(step, 0.0)[1])


def downhill(step: Step, smoothness: float) -> Float[np.ndarray, "W"]:
    """The slope of the Lagrangian: the mean over drives, each of them cut."""
    push = max(0.0, float(step.multiplier) + STIFFNESS * cost_and_breach(step, 0.0)[1])
    relative = step.slope[:, :NEAR] / step.outcome[:, :NEAR, None]
    each = relative[:, LATE] + smoothness * relative[:, JERK] + push * step.slope[:, NEAR]
    length = np.linalg.norm(each, axis=-1)
    sound = np.isfinite(length)
    if not sound.any():
        return np.zeros(each.shape[1])
    each, length = each[sound], length[sound]
    longest = LONGEST * np.median(length)
    return np.mean(each * np.minimum(1.0, longest / np.maximum(length, 1e-12))[:, None], axis=0)


def scalars(step: Step, search: Search) -> dict[str, float]:
    """Figures of a step, by the names that a log shows them under."""
    cost, breach = cost_and_breach(step, search.smoothness)
    length = np.linalg.norm(step.slope[:, LATE] / step.outcome[:, LATE, None], axis=-1)
    finite = length[np.isfinite(length)]
    return {
        "cost/mean": cost,
        "near/beyond hand-tuned": breach,
        "near/multiplier": float(step.multiplier),
        "slopes/median length": float(np.median(finite)) if len(finite) else 0.0,
        "slopes/not finite": float(np.mean(~np.isfinite(length))),
        **{f"params/{n}": float(np.exp(v)) for n, v in zip(search.names, step.x, strict=True)},
    }


def read_steps(path: Path, identity: Mapping[str, Any]) -> list[Step]:
    """The steps of the descent that ``identity`` describes.

    Raises:
      InputError: what ``read_arrays`` refuses, another descent, or arrays that do not fit.
    """
    arrays, where = read_search(path, FORM, VERSION, identity, NAMES), str(path)
    x, tasks = arrays["x"], arrays["tasks"]
    if x.ndim != 2 or tasks.ndim != 2 or tasks.dtype.kind not in "iu":
        raise InputError("x", x.shape, "steps of params", where)
    (count, size), batch = x.shape, tasks.shape[1]
    shapes = {
        "tasks": (count, batch),
        "outcome": (count, batch, 3),
        "slope": (count, batch, 3, size),
        "hand": (count, batch, 3),
        "multiplier": (count,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise InputError(name, arrays[name].shape, f"a shape of {shape}", where)
    for name in ("x", "outcome", "hand", "multiplier"):  # a slope may be none
        if not np.isfinite(arrays[name]).all():
            raise InputError(name, "not finite", "finite numbers", where)
    return [Step(**{name: arrays[name][k] for name in NAMES}) for k in range(count)]


def _bounds(
    params: PlannerParams, names: Sequence[str]
) -> tuple[Float[np.ndarray, "W"], Float[np.ndarray, "W"]]:
    """Of the logarithms: as far as a search may go, and no farther than a param's own range."""
    fields = {field.name: field for field in dataclasses.fields(PlannerParams)}
    ends = []
    for name in names:
        x = math.log(float(getattr(params, name)))
        low, high = (fields[name].metadata[end] for end in ("low", "high"))
        least = math.log(low) if low > 0.0 else -math.inf
        most = math.log(high) if math.isfinite(high) else math.inf
        ends.append((max(least, x - FARTHEST), min(most, x + FARTHEST)))
    low, high = np.array(ends).T
    return low, high
