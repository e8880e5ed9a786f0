"""Params tuned by what they do in closed loop: CMA-ES with common random numbers.        [host]

In: a function that drives tasks with params, the hand-tuned params, their names that may change.
Out: params, generation by generation.

Every generation draws tasks (a case and the number of its run: one random number each); all of
its members drive the same ones, and the hand-tuned params too.  A member's cost is a mean over
tasks i of logarithms beside the hand-tuned drive of the same task,

    c = mean_i [ log(T_i / T_i⁰) + κ log(j_i / j_i⁰) ],   g = mean_i [ fault_i − fault_i⁰ ]

T the time to the goal (the limit, if it was not reached), j the RMS jerk.  What is minimised is c
with g ≤ 0, by an augmented Lagrangian:

    L = c + (max(0, λ + μ g)² − λ²) / 2μ,   λ ← max(0, λ + μ · mean g of the generation)

so that contacts cost the more the longer a generation has more of them than hand-tuned params,
whatever time they save.  x = log of the params: all are moved by factors.  How near people came
is not looked at: what keeps them at ease (personal space) must not be among the names, or it is
given away for time (``experiments/tuning``).

Sources: Hansen, The CMA evolution strategy: a tutorial, 2016; Nocedal, Wright, Numerical
Optimization, 2006, §17.4 (inequalities).
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.features import with_weights
from astro_jax.learning.record import Generation, read_record, write_record

if TYPE_CHECKING:
    from cmaes import CMA

FARTHEST = math.log(30.0)
"""No param is moved by more than this factor."""
MULTIPLIER, STIFFNESS = 2.0, 10.0
"""λ at the beginning and μ: one contact more in eight drives costs as much as a third more time."""
LEAST_JERK = 0.05
"""m/s³: a robot that hardly moves is not smooth without end."""

Task = tuple[str, int]
"""Case and number of the run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one drive."""

    success: bool
    at_fault: bool
    """Whether the robot was at fault in a contact."""
    time: float
    """To the goal, s; of no account without success."""
    limit: float
    """Of the time, s."""
    jerk: float
    """RMS, m/s³"""

    def numbers(self) -> list[float]:
        """(Time or limit, jerk, success, fault); a figure that is not finite is a failure."""
        sound = math.isfinite(self.jerk) and (math.isfinite(self.time) or not self.success)
        time = self.time if self.success and sound else self.limit
        jerk = max(self.jerk, LEAST_JERK) if math.isfinite(self.jerk) else math.nan
        return [time, jerk, float(self.success and sound), float(self.at_fault)]


Wanted = tuple[PlannerParams, Task]
"""A drive of a task with some params."""
Evaluate = Callable[[Sequence[Wanted]], Iterable[Outcome]]
"""Outcomes, in their order; the same params and task give the same one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """What may change, and how it is looked for."""

    names: tuple[str, ...]
    spread: float = 0.3
    """First standard deviation of each log: by a third up or down."""
    population: int = 8
    batch: int = 8
    """Tasks per generation."""
    smoothness: float = 0.5
    """κ: what a per cent of jerk is worth, in per cents of time."""
    seed: int = 0


Told = Callable[[int, int, int], None]
"""(generation, members done, of how many)"""


def tune(
    evaluate: Evaluate,
    params: PlannerParams,
    tasks: Sequence[Task],
    search: Search,
    generations: int,
    start: PlannerParams | None = None,
    record: Path | None = None,
    tell: Told = lambda generation, done, of: None,
    log: Callable[[Mapping[str, float], int], None] = lambda scalars, step: None,
) -> tuple[PlannerParams, list[Generation]]:
    """The centre of the distribution after ``generations``, and what they were.

    ``params`` are the hand-tuned ones, ``start`` where the search begins if not there.  With
    ``record`` every generation is kept there; a search that was interrupted goes on from it, as
    if it had not been.  ``log`` is given figures per generation.

    Raises:
      InputError: names that cannot be tuned, too few tasks, or a record of something else.
    """
    start = params if start is None else start
    check(start, tasks, search)
    identity = identity_of(params, tasks, search, start)
    done = read_record(record, identity) if record is not None and record.exists() else []
    optimiser = _begun(start, search)
    known: dict[int, list[float]] = {}
    for past in done:
        asked = np.stack([optimiser.ask() for _ in range(search.population)])
        if not np.allclose(asked, past.x, rtol=0.0, atol=1e-9):
            expected = "generations that this search would have asked for"
            raise InputError("record", "another search's", expected, str(record))
        _settle(optimiser, past, search)
        known.update(zip(past.tasks.tolist(), past.hand.tolist(), strict=True))
    while len(done) < generations:
        number = len(done)
        chosen = tasks_of(len(tasks), search, number)
        new = [int(task) for task in chosen if int(task) not in known]
        x = np.stack([optimiser.ask() for _ in range(search.population)])
        members = [with_weights(start, search.names, np.exp(row).tolist()) for row in x]
        wanted = [(params, tasks[task]) for task in new]
        wanted += [(tried, tasks[task]) for tried in members for task in chosen]
        numbers = []
        for outcome in evaluate(wanted):
            numbers.append(outcome.numbers())
            tell(number, max(len(numbers) - len(new), 0) // len(chosen), search.population)
        known.update(zip(new, numbers, strict=False))
        newest = Generation(
            x=x,
            tasks=chosen,
            outcomes=np.reshape(numbers[len(new) :], (len(x), len(chosen), -1)),
            hand=np.array([known[int(task)] for task in chosen]),
            multiplier=np.array(next_multiplier(done[-1]) if done else MULTIPLIER),
        )
        done = [*done, newest]
        _settle(optimiser, newest, search)
        if record is not None:
            write_record(record, identity, done)
        log(scalars(newest, search, optimiser), number)
    best = with_weights(start, search.names, np.exp(optimiser.mean).tolist())
    return best, done


def costs(
    generation: Generation, smoothness: float
) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P"]]:
    """(c, g) of each member, beside the hand-tuned drives of the same tasks."""
    time, jerk, _, fault = np.moveaxis(generation.outcomes, -1, 0)
    time0, jerk0, _, fault0 = np.moveaxis(generation.hand, -1, 0)
    # a drive without a figure of its jerk is no smoother and no rougher than the other
    change = np.log(jerk / jerk0)
    rougher = np.where(np.isfinite(change), change, 0.0)
    cost = (np.log(time / time0) + smoothness * rougher).mean(axis=1)
    return cost, (fault - fault0).mean(axis=1)


def augmented(generation: Generation, smoothness: float) -> Float[np.ndarray, "P"]:
    """L of each member."""
    cost, breach = costs(generation, smoothness)
    multiplier = float(generation.multiplier)
    push = np.maximum(0.0, multiplier + STIFFNESS * breach)
    return cost + (push**2 - multiplier**2) / (2.0 * STIFFNESS)


def next_multiplier(generation: Generation) -> float:
    """λ of the next generation."""
    breach = costs(generation, 0.0)[1]
    return max(0.0, float(generation.multiplier) + STIFFNESS * float(breach.mean()))


def tasks_of(count: int, search: Search, generation: int) -> Int[np.ndarray, "b"]:
    """Those of a generation: all are drawn once before any is drawn again."""
    batch = min(search.batch, count)
    per_round = count // batch
    order = np.random.default_rng([search.seed, generation // per_round]).permutation(count)
    first = generation % per_round * batch
    return order[first : first + batch]


def check(params: PlannerParams, tasks: Sequence[Task], search: Search) -> None:
    """Refuse what cannot be tuned.

    Raises:
      InputError: no name, an unknown or a repeated one, one of several numbers or none above 0;
        sizes that are none; no task.
    """
    fields = {field.name: field for field in dataclasses.fields(PlannerParams)}
    if not search.names or len(set(search.names)) < len(search.names):
        raise InputError("params", list(search.names), "some names, each of them once")
    for name in search.names:
        if name not in fields:
            raise InputError("params", name, f"one of {', '.join(fields)}")
        value: Any = getattr(params, name)
        if isinstance(value, tuple) or not float(value) > 0.0:
            raise InputError(name, value, "a single number above 0: it is moved by factors")
    sizes = {"population": (search.population, 4), "batch": (search.batch, 1)}
    for field, (value, least) in sizes.items():
        if value < least:
            raise InputError(field, value, f"a number from {least}")
    if not (0.0 < search.spread <= 2.0):
        raise InputError("spread", search.spread, "a number above 0 and up to 2")
    if not tasks:
        raise InputError("tasks", "none", "some")


def identity_of(
    params: PlannerParams, tasks: Sequence[Task], search: Search, start: PlannerParams
) -> dict[str, Any]:
    """What makes two searches the same one; JSON can say it."""
    found = dataclasses.asdict(search)
    return {
        "params": _plain(params),
        "start": _plain(start),
        "tasks": [[name, int(run)] for name, run in tasks],
        "search": {**found, "names": list(search.names)},
    }


def _plain(params: PlannerParams) -> dict[str, Any]:
    held = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    return {
        name: [float(x) for x in value] if isinstance(value, tuple) else float(value)
        for name, value in held.items()
    }


def scalars(generation: Generation, search: Search, optimiser: "CMA") -> dict[str, float]:
    """Figures of a generation, by the names that a log shows them under."""
    cost, breach = costs(generation, search.smoothness)
    _, _, success, fault = np.moveaxis(generation.outcomes, -1, 0)
    found = {
        "cost/best": float(cost.min()),
        "cost/mean": float(cost.mean()),
        "contacts/beyond hand-tuned": float(breach.mean()),
        "contacts/share at fault": float(fault.mean()),
        "contacts/multiplier": float(generation.multiplier),
        "success/share": float(success.mean()),
    }
    centre = np.exp(optimiser.mean)
    return {**found, **{f"params/{n}": float(v) for n, v in zip(search.names, centre, strict=True)}}


def _begun(params: PlannerParams, search: Search) -> "CMA":
    from cmaes import CMA

    fields = {field.name: field for field in dataclasses.fields(PlannerParams)}
    first = np.log([float(getattr(params, name)) for name in search.names])
    bounds = []
    for name, x in zip(search.names, first, strict=True):
        low, high = (fields[name].metadata[end] for end in ("low", "high"))
        least = math.log(low) if low > 0.0 else -math.inf
        most = math.log(high) if math.isfinite(high) else math.inf
        bounds.append([max(least, x - FARTHEST), min(most, x + FARTHEST)])
    return CMA(
        mean=first,
        sigma=search.spread,
        bounds=np.array(bounds),
        seed=search.seed,
        population_size=search.population,
    )


def _settle(optimiser: "CMA", generation: Generation, search: Search) -> None:
    value = augmented(generation, search.smoothness)
    optimiser.tell([(x, float(v)) for x, v in zip(generation.x, value, strict=True)])
