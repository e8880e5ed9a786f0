"""Run a suite: its cases, each as often as asked for, on as many cores.               [host]

The rules are in ``astro_jax/suites``, a module per suite.  Here cases become rows: made, driven,
judged, written to a results file (``bench/results_file.py``) and summed up by stratum.  An
episode's seed depends on the suite, its case and the number of the run, on nothing else: the same
case gives the same row whatever else is run beside it.  A process that is kept on one core
(``jobs``) may add up in another order than one that is not, and a case that hangs on the last bit
goes another way there (BARN 284 did).
"""

import contextlib
import dataclasses
import fnmatch
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from astro_jax.bench.clock import cores, on_accelerator, pin
from astro_jax.bench.guides import guides
from astro_jax.bench.intervals import wilson
from astro_jax.bench.report import Report, commit, device, plain
from astro_jax.bench.results_file import ResultsFile, digest, missing
from astro_jax.bench.together import AT_ONCE, Run, together
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.sim.metrics import rms_jerk, sparc
from astro_jax.suites import barn, crossing, crowd, dynabarn, homes, pedestrians
from astro_jax.suites.case import Case, Drive, Row, Setup, Suite, Trace
from astro_jax.suites.drive import WholeStack

SUITES: Mapping[str, Suite] = {
    "barn": barn,
    "dynabarn": dynabarn,
    "crowd": crowd,
    "crossing": crossing,
    "pedestrians": pedestrians,
    "homes": homes,
}
"""By the name that ``astro-jax bench`` knows them under."""
PLANNERS = ("astro",)
"""Who can be asked to drive by name; others bring a driver of their own."""
Driver = Callable[[Setup], Drive]
Watch = Callable[[Case, Setup, Trace, Row], None]
"""Is shown every episode in the process that drove it, before its row is written."""
WHOLE = "all"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be driven, by whom."""

    suite: str
    variant: str = ""
    """The suite's own (first) one if empty."""
    planner: str = "astro"
    folder: Path = Path(".")


def checked(order: Order, own_driver: bool = False) -> Order:
    """The order with its variant filled in.

    Raises:
      InputError: no such suite, variant or planner.
    """
    if order.suite not in SUITES:
        raise InputError("suite", order.suite, f"one of {', '.join(SUITES)}")
    variants = SUITES[order.suite].VARIANTS
    variant = order.variant or variants[0]
    if variant not in variants:
        raise InputError("variant", variant, f"one of {', '.join(variants)}")
    if order.planner not in PLANNERS and not own_driver:
        raise InputError("planner", order.planner, f"one of {', '.join(PLANNERS)}")
    return dataclasses.replace(order, variant=variant)


def named(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The cases that any pattern (``12``, ``circle-*``) names, in the suite's order.

    Raises:
      InputError: a pattern that names none.
    """
    if not patterns:
        return list(names)
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            some = ", ".join(itertools.islice(names, 3))
            raise InputError("cases", pattern, f"names or patterns of cases ({some}, …)")
    return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]


def unwatched(case: Case, setup: Setup, trace: Trace, row: Row) -> None:
    """Nobody looks on."""


def run_suite(
    order: Order,
    patterns: Sequence[str] = (),
    runs: int = 1,
    jobs: int = 1,
    results: Path | None = None,
    driver: Driver | None = None,
    on_row: Callable[[int, int, Row], None] = lambda done, of, row: None,
    watch: Watch = unwatched,
) -> Report:
    """Drive what ``results`` does not hold yet, and sum up all of it.

    ``driver`` makes another planner than the package's drive (in this process); the order's
    ``planner`` is then its name.  ``on_row`` is told how many episodes are done, of how many, and
    the newest one.  ``watch`` is shown each episode that is driven with its trace, and a row that
    also names suite, variant, planner, case and run; with several jobs it has to be picklable.

    Raises:
      InputError: an order, a case or a file that cannot be used.
    """
    order = checked(order, driver is not None)
    suite = SUITES[order.suite]
    setup = suite.setup(order.variant)
    names = named(list(suite.load(order.folder, setup, order.variant)), patterns)
    file = ResultsFile(path=results)
    same = {
        "suite": order.suite,
        "variant": order.variant,
        "planner": order.planner,
        "settings": digest(setup),
        "commit": commit(),
    }
    # what changed code has done is not what it would do now
    done = {} if str(same["commit"]).endswith("-dirty") else file.done(same)
    tasks = missing(names, runs, done)
    done = {key: row for key, row in done.items() if key[0] in set(names) and key[1] < runs}
    total = len(names) * runs
    for case, run, row in _driven(order, tasks, jobs, driver, watch):
        line = plain({**same, "case": case, "run": run, "device": device(), **row})
        file.add(line)
        done[case, run] = line
        on_row(len(done), total, line)
    rows = [done[name, run] for run in range(runs) for name in names]
    cases = summary(rows)
    metrics = {k: v for k, v in cases[-1].items() if isinstance(v, int | float)}
    bounds = {
        name: wilson(sum(bool(row[name]) for row in rows), len(rows)) for name in _shares(rows)
    }
    return Report(
        name=order.suite,
        metrics=metrics,
        intervals=bounds,
        cases=cases,
        config={"order": order, "setup": setup, "episodes": rows},
    )


def seed_of(order: Order, case: str, run: int) -> int:
    """Of one episode."""
    return crc32(f"{order.suite}/{case}/{run}".encode()) & 0x7FFFFFFF


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A row per stratum and one for all: shares of what is true or false, means of numbers."""
    table = []
    strata = list(dict.fromkeys(row["stratum"] for row in rows))
    for name in [*strata, WHOLE] if len(strata) > 1 else strata:
        own = [row for row in rows if name in (row["stratum"], WHOLE)]
        line: dict[str, Any] = {"stratum": name, "episodes": len(own)}
        for key in _shares(own):
            line[key] = float(np.mean([bool(row[key]) for row in own]))
        for key, value in own[0].items():
            if key in _NAMES or isinstance(value, bool | str):
                continue
            known = [row[key] for row in own if row[key] is not None and math.isfinite(row[key])]
            line[key] = float(np.mean(known)) if known else math.nan
        table.append(line)
    return table


_NAMES = ("suite", "variant", "planner", "settings", "commit", "device", "case", "run", "seed")


def _shares(rows: Sequence[Row]) -> list[str]:
    return [key for key, value in rows[0].items() if isinstance(value, bool)]


# ---- episodes, here or in other processes --------------------------------------------


class Play(Protocol):
    """Drives one case for the ``run``-th time, and judges it."""

    def __call__(self, name: str, run: int, params: PlannerParams | None = None) -> Row:
        """The row of the episode; without ``params`` those of the setup count."""
        ...


def player(
    order: Order,
    driver: Driver | None = None,
    setup: Setup | None = None,
    watch: Watch = unwatched,
) -> Play:
    """A function from (case, run) to the row of the episode; it compiles at the first one.

    A ``setup`` takes the place of the suite's own; ``params`` of a single episode that of the
    setup's, without compiling again.  ``watch`` is shown what was driven.
    """
    suite = SUITES[order.suite]
    setup = setup or suite.setup(order.variant)
    cases = suite.load(order.folder, setup, order.variant)
    drive = driver(setup) if driver else suite.driver(setup, order.variant)
    told = _told(order)

    def play(name: str, run: int, params: PlannerParams | None = None) -> Row:
        seed = seed_of(order, name, run)
        case = cases[name](seed)
        trace = drive(case, seed, params or setup.params)
        row = _judged(suite, setup, case, seed, trace)
        watch(case, setup, trace, {**told, "case": name, "run": run, **row})
        return row

    return play


def drives_together(order: Order) -> bool:
    """Whether here are an accelerator and the whole robot: then many episodes go at once."""
    suite = SUITES[order.suite]
    setup = suite.setup(order.variant)
    return on_accelerator() and isinstance(suite.driver(setup, order.variant), WholeStack)


PlayAll = Callable[[Sequence[tuple[str, int, PlannerParams | None]]], Iterator[tuple[int, Row]]]
"""Episodes (case, run, params or the setup's) → (number in the list, its row), in any order."""


@contextlib.contextmanager
def together_player(
    order: Order, setup: Setup | None = None, jobs: int = 1, watch: Watch = unwatched
) -> Iterator[PlayAll]:
    """As ``player``, for many episodes at once; ``jobs`` processes search their ways."""
    suite = SUITES[order.suite]
    given = setup or suite.setup(order.variant)
    cases = suite.load(order.folder, given, order.variant)
    with guides(jobs) as guiding:
        drive = together(given, guiding)

        def play_all(episodes) -> Iterator[tuple[int, Row]]:
            for first in range(0, len(episodes), AT_ONCE):
                part = episodes[first : first + AT_ONCE]
                runs = []
                for name, run, params in part:
                    seed = seed_of(order, name, run)
                    case = cases[name](seed)
                    runs.append(Run(case=case, seed=seed, params=params or given.params))
                for number, trace in drive(runs):
                    (name, run, _), own = part[number], runs[number]
                    row = _judged(suite, given, own.case, own.seed, trace)
                    told = {**_told(order), "case": name, "run": run, **row}
                    watch(own.case, given, trace, told)
                    yield first + number, row

        yield play_all


def _judged(suite: Suite, setup: Setup, case: Case, seed: int, trace: Trace) -> Row:
    return {
        "seed": seed,
        "stratum": case.stratum,
        **suite.judge(case, setup, trace),
        **_motion(case, trace),
        "wall_s": trace.wall_seconds,
    }


def _motion(case: Case, trace: Trace) -> Row:
    """How the base moved: the same figures for every suite and every planner."""
    time = np.asarray(trace.ticks.time)
    kept = time <= trace.arrived_at
    twist, pose = np.asarray(trace.ticks.twist)[kept], np.asarray(trace.ticks.pose_map)[kept]
    rate = 1.0 / float(np.diff(time[:2])[0])
    length = float(np.hypot(*np.diff(pose[:, :2], axis=0).T).sum())
    return {
        "path_ratio": length / case.shortest_path,
        "sparc": sparc(twist[:, 0], rate),
        "rms_jerk": rms_jerk(twist[:, 0], pose[:, 2], rate),
    }


def _told(order: Order) -> Row:
    return {"suite": order.suite, "variant": order.variant, "planner": order.planner}


_play: Play | None = None


def _driven(
    order: Order,
    tasks: Sequence[tuple[str, int]],
    jobs: int,
    driver: Driver | None,
    watch: Watch,
) -> Iterator[tuple[str, int, Row]]:
    """(Case, run, row), as they come; each process has a core and a compilation of its own."""
    if not tasks:
        return
    if driver is None and drives_together(order):
        with together_player(order, jobs=jobs, watch=watch) as play_all:
            for number, row in play_all([(*task, None) for task in tasks]):
                yield *tasks[number], row
        return
    if jobs == 1 or driver:
        play = player(order, driver, watch=watch)
        for name, run in tasks:
            yield name, run, play(name, run)
        return
    context = get_context("spawn")
    free = context.Queue()
    for core in (cores() * jobs)[:jobs]:
        free.put(core)
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_settle, initargs=(free, order, watch)
    ) as pool:
        for finished in as_completed([pool.submit(_work, task) for task in tasks]):
            yield finished.result()


def _settle(free: Any, order: Order, watch: Watch) -> None:
    """In a new process: take a core for oneself before JAX makes its threads."""
    global _play
    pin([free.get()])
    _play = player(order, watch=watch)


def _work(task: tuple[str, int]) -> tuple[str, int, Row]:
    assert _play is not None
    return (*task, _play(*task))
