"""``astro-jax learn``: weights from drives, params from closed loops, what they are worth. [host]

All make a report of the same format as the benches'.  Learned params are judged on what they were
not learned from: places of walkers, or cases of a suite, that were held out.
"""

import contextlib
import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.bench.intervals import bootstrap
from astro_jax.bench.report import Report
from astro_jax.bench.suites import (
    SUITES,
    Order,
    checked,
    drives_together,
    named,
    player,
    seed_of,
    together_player,
)
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.learning.closed_loop import Evaluate, Outcome, Search, Task, Wanted, tune
from astro_jax.learning.closed_loop import Told as TuneTold
from astro_jax.learning.demonstrations import Recorded
from astro_jax.learning.descent import Drive as SlopeDrive
from astro_jax.learning.descent import Slopes, descend
from astro_jax.learning.lessons import Told, held_out, learn, log_sd_by_name, soundness
from astro_jax.learning.maxent import Recipe
from astro_jax.learning.slopes import outcome_and_slopes
from astro_jax.learning.walkers import drives_of
from astro_jax.route.planner import plan_route
from astro_jax.suites.case import Row, Setup
from astro_jax.suites.eth_ucy import load_scenes
from astro_jax.suites.pedestrians import floor_under


def walkers_in(folder: Path, robot: RobotConfig, most: int) -> tuple[list[Recorded], Counter[str]]:
    """Drives of recorded walkers, at most so many of a place, and whom was left out and why.

    Raises:
      InputError: no recordings, or malformed ones.
    """
    folder = folder / "eth_ucy" if (folder / "eth_ucy").is_dir() else folder
    found: list[Recorded] = []
    left_out: Counter[str] = Counter()
    for recording in load_scenes(folder):
        drives, without = drives_of(recording, floor_under(folder, recording), robot)
        # all along the recording, not its first minutes
        picks = np.linspace(0, len(drives) - 1, min(most, len(drives))).astype(int)
        found += [drives[k] for k in picks]
        left_out += without + Counter({"beyond the number asked for": len(drives) - len(picks)})
    return found, left_out


def learn_demos(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    drives: Sequence[Recorded],
    names: Sequence[str],
    recipe: Recipe,
    each: int,
    seed: int = 0,
    tell: Told = lambda what, done, of: None,
) -> tuple[PlannerParams, Report]:
    """Weights of the drives, and a row per place that was held out (none if there is but one).

    Metrics: ``sharpness`` (β, 1/s); each weight; ``moments``, ``drives``; ``effective`` and
    ``effective_matching``: medians of how many candidates count in Z and among those that match;
    ``skipped``: steps whose gradient was not finite; ``left_out_…``: moments by reason.

    Raises:
      InputError: names that cannot be fitted, or drives without a usable moment.
    """
    moments, fitted = learn(robot, config, params, drives, names, recipe, each, seed, tell)
    whole, matching = soundness(moments, fitted)
    learned = _plain(fitted.params)
    metrics = {
        "sharpness": float(fitted.sharpness),
        **{name: getattr(learned, name) for name in names},
        "moments": float(len(moments.of)),
        "drives": float(len(set(moments.of))),
        "effective": whole,
        "effective_matching": matching,
        "skipped": float(fitted.skipped),
        **{f"left_out_{reason}": float(n) for reason, n in sorted(moments.left_out.items())},
    }
    held = []
    if len(set(moments.groups())) > 1:
        held = held_out(moments, params, names, recipe, seed)
    return learned, Report(
        name="learn demos",
        metrics=metrics,
        intervals={f"gain_{row.group}": (row.low, row.high) for row in held},
        cases=[dataclasses.asdict(row) for row in held],
        config={
            "names": list(names),
            "recipe": recipe,
            "each": each,
            "robot": robot,
            "hand": params,
            "log_sd": log_sd_by_name(fitted, names),
        },
        seed=seed,
    )


def learn_tune(
    order: Order,
    start: PlannerParams | None,
    train: Sequence[str],
    judged: Sequence[str],
    runs: int,
    search: Search,
    generations: int,
    record: Path | None = None,
    jobs: int = 1,
    tell: TuneTold = lambda generation, done, of: None,
    log: Callable[[Mapping[str, float], int], None] = lambda scalars, step: None,
) -> tuple[PlannerParams, Report]:
    """Params tuned on the cases that ``train`` names, beside the suite's own on ``judged``.

    The search begins at ``start``, or at the suite's own.

    Metrics: each param; ``generations``; of the held-out tasks that both succeeded in, geometric
    means of learned over hand-tuned: ``time``, ``rms_jerk`` (with intervals); ``success`` and
    ``at_fault`` of both.  Cases of the report: a row per held-out task.

    Raises:
      InputError: an order, patterns, names or a record that cannot be used.
    """
    order = checked(order)
    suite = SUITES[order.suite]
    setup = suite.setup(order.variant)
    hand = setup.params
    names = list(suite.load(order.folder, setup, order.variant))
    learn_from, tasks, against = _parted(names, train, judged, runs)
    with evaluator(order, setup, jobs) as evaluate:
        learned, done = tune(evaluate, hand, tasks, search, generations, start, record, tell, log)
        rows = compared(evaluate, hand, learned, against)
    metrics, intervals = summed_up(rows)
    return learned, Report(
        name="learn tune",
        metrics={
            "generations": float(len(done)),
            **{name: float(getattr(learned, name)) for name in search.names},
            **metrics,
        },
        intervals=intervals,
        cases=rows,
        config={
            "order": order,
            "search": search,
            "train": learn_from,
            "hand": hand,
            "start": start,
        },
        seed=search.seed,
    )


def learn_descend(
    order: Order,
    train: Sequence[str],
    judged: Sequence[str],
    runs: int,
    search: Search,
    steps: int,
    seconds: float,
    rate: float,
    record: Path | None = None,
    jobs: int = 1,
    log: Callable[[Mapping[str, float], int], None] = lambda scalars, step: None,
) -> tuple[PlannerParams, Report]:
    """As ``learn_tune``, down the slopes of the first ``seconds`` of the cases.

    Raises:
      InputError: an order, patterns, names or a record that cannot be used.
    """
    order = checked(order)
    suite = SUITES[order.suite]
    setup = suite.setup(order.variant)
    cycles = round(seconds / setup.config.period)
    if cycles < 3:
        raise InputError("seconds", seconds, f"at least {3 * setup.config.period:g}")
    names = list(suite.load(order.folder, setup, order.variant))
    learn_from, tasks, against = _parted(names, train, judged, runs)
    drive = slope_driver(order, setup, search.names, cycles)
    learned, done = descend(drive, setup.params, tasks, search, steps, rate, record, log)
    with evaluator(order, setup, jobs) as evaluate:
        rows = compared(evaluate, setup.params, learned, against)
    metrics, intervals = summed_up(rows)
    return learned, Report(
        name="learn descend",
        metrics={
            "steps": float(len(done)),
            **{name: float(getattr(learned, name)) for name in search.names},
            **metrics,
        },
        intervals=intervals,
        cases=rows,
        config={
            "order": order,
            "search": search,
            "train": learn_from,
            "hand": setup.params,
            "seconds": seconds,
            "rate": rate,
        },
        seed=search.seed,
    )


def _parted(
    names: Sequence[str], train: Sequence[str], judged: Sequence[str], runs: int
) -> tuple[list[str], list[Task], list[Task]]:
    """(Cases to learn from, their tasks, those of the cases to judge on that are none of these)."""
    learn_from = named(names, train)
    held = [name for name in named(names, judged) if name not in learn_from] if judged else []
    of = lambda cases: [(name, run) for run in range(runs) for name in cases]
    return learn_from, of(learn_from), of(held)


def slope_driver(order: Order, setup: Setup, names: Sequence[str], cycles: int) -> SlopeDrive:
    """The first cycles of a suite's cases with their slopes; it compiles once per size of scene.

    The way is searched once, at the start.
    """
    cases = SUITES[order.suite].load(order.folder, setup, order.variant)
    robot, config = setup.robot, setup.config
    both = jax.jit(functools.partial(outcome_and_slopes, robot, config, tuple(names), cycles))

    def drive(params: PlannerParams, tasks: Sequence[Task]) -> Slopes:
        own = jax.tree.map(jnp.float32, params)
        found = []
        for name, run in tasks:
            seed = seed_of(order, name, run)
            case = cases[name](seed)
            scene = jax.tree.map(jnp.asarray, case.scene)
            aim = case.scene.goal_map if case.aim is None else case.aim
            start = np.asarray(case.scene.start_map)
            route = plan_route(case.house_map, robot, start, np.asarray(aim))
            field = jax.tree.map(jnp.asarray, route.field)
            world = jax.tree.map(jnp.float32, case.world)
            found.append(jax.device_get(both(own, world, scene, field, jax.random.key(seed))))
        outcome, slope = (np.stack(parts).astype(np.float64) for parts in zip(*found, strict=True))
        return Slopes(outcome=outcome, slope=slope)

    return drive


def judge_params(
    order: Order, learned: PlannerParams, patterns: Sequence[str], runs: int, jobs: int = 1
) -> Report:
    """Any params beside the suite's own, in every case that a pattern names.

    Metrics as those of ``learn_tune``.

    Raises:
      InputError: an order or a pattern that cannot be used.
    """
    order = checked(order)
    suite = SUITES[order.suite]
    setup = suite.setup(order.variant)
    names = named(list(suite.load(order.folder, setup, order.variant)), patterns)
    tasks = [(name, run) for run in range(runs) for name in names]
    with evaluator(order, setup, jobs) as evaluate:
        rows = compared(evaluate, setup.params, learned, tasks)
    metrics, intervals = summed_up(rows)
    return Report(
        name="learn judge",
        metrics=metrics,
        intervals=intervals,
        cases=rows,
        config={"order": order, "hand": setup.params, "learned": learned},
    )


@contextlib.contextmanager
def evaluator(order: Order, setup: Setup, jobs: int = 1) -> Iterator[Evaluate]:
    """Drives tasks of a suite with any params; it compiles once per size of the scene.

    An accelerator drives all that are wanted at once, ``jobs`` processes search their ways.
    """
    limits = SUITES[order.suite].load(order.folder, setup, order.variant)

    def judged(task: Task, row: Row) -> Outcome:
        return outcome_of(row, limits[task[0]](int(row["seed"])).seconds)

    if not drives_together(order):
        play = player(order, setup=setup)
        yield lambda wanted: (judged(task, play(*task, params)) for params, task in wanted)
        return
    with together_player(order, setup, jobs) as play_all:

        def evaluate(wanted: Sequence[Wanted]) -> list[Outcome]:
            found: dict[int, Outcome] = {}
            for number, row in play_all([(*task, params) for params, task in wanted]):
                found[number] = judged(wanted[number][1], row)
            return [found[number] for number in range(len(wanted))]

        yield evaluate


def outcome_of(row: Row, limit: float) -> Outcome:
    """What counts of an episode's row: rules without fault count every touch."""
    return Outcome(
        success=bool(row["success"]),
        at_fault=bool(row.get("at_fault", row.get("collision", False))),
        time=float(row["time"]),
        limit=limit,
        jerk=float(row["rms_jerk"]),
    )


def compared(
    evaluate: Evaluate, hand: PlannerParams, learned: PlannerParams, tasks: Sequence[Task]
) -> list[dict[str, Any]]:
    """A row per task: both drives of it."""
    rows: list[dict[str, Any]] = [{"case": name, "run": run} for name, run in tasks]
    wanted = [(params, task) for task in tasks for params in (hand, learned)]
    for number, drive in enumerate(evaluate(wanted)):
        who = ("hand", "learned")[number % 2]
        told = {f"{who}_{k}": v for k, v in dataclasses.asdict(drive).items() if k != "limit"}
        rows[number // 2] |= told
    return rows


def summed_up(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Shares of both, and ratios of time and jerk with 95 % intervals over tasks."""
    if not rows:
        return {}, {}
    metrics: dict[str, float] = {"held_out": float(len(rows))}
    intervals = {}
    for name in ("success", "at_fault"):
        for who in ("hand", "learned"):
            metrics[f"{name}_{who}"] = float(np.mean([bool(row[f"{who}_{name}"]) for row in rows]))
    both = [row for row in rows if row["hand_success"] and row["learned_success"]]
    for name in ("time", "jerk"):
        logs = [math.log(row[f"learned_{name}"] / row[f"hand_{name}"]) for row in both]
        metrics[f"{name}_ratio"] = math.exp(float(np.mean(logs))) if logs else math.nan
        low, high = bootstrap(logs)
        intervals[f"{name}_ratio"] = (math.exp(low), math.exp(high))
    return metrics, intervals


def _plain(params: PlannerParams) -> PlannerParams:
    """Numbers of Python for arrays of one number."""
    values = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        several = isinstance(value, tuple)
        values[field.name] = tuple(float(x) for x in value) if several else float(value)
    return PlannerParams(**values)
