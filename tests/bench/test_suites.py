"""Running a suite: the same rows whatever happens in between."""

import json
import pickle
from concurrent.futures import Future
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from astro_jax.bench import suites
from astro_jax.bench.results_file import ResultsFile
from astro_jax.bench.suites import Order, named, run_suite, seed_of, summary
from astro_jax.errors import InputError, MessageError
from astro_jax.suites import barn
from astro_jax.suites.case import Trace
from astro_jax.suites.drive import WholeStack
from tests.suites.made_up import trace_of

ORDER = Order(suite="made-up")


class InterruptedDriveError(Exception):
    """Instead of somebody who pulls the plug."""


class MadeUp:
    """A suite whose drives take no time: what comes of one depends on its seed alone."""

    VARIANTS = ("plain", "other")

    def __init__(self):
        self.driven = []
        self.stop_after = None

    def setup(self, variant):
        return barn.setup()

    def load(self, folder, setup, variant):
        def maker(name):
            stratum = "a" if int(name) < 3 else "b"
            return lambda seed: SimpleNamespace(name=name, stratum=stratum, shortest_path=1.0)

        return {str(k): maker(str(k)) for k in range(6)}

    def driver(self, setup, variant):
        def drive(case, seed, params) -> Trace:
            if self.stop_after is not None and len(self.driven) >= self.stop_after:
                raise InterruptedDriveError
            self.driven.append((case.name, seed))
            random = np.random.default_rng(seed)
            steps = random.uniform(0.0, 0.02, 100)
            return trace_of(np.column_stack([np.cumsum(steps), 0 * steps]), arrived_at=1.5)

        return drive

    def judge(self, case, setup, trace):
        far = float(trace.ticks.pose_map[-1, 0])
        return {"success": far > 1.0, "far": far, "never": float("nan")}


@pytest.fixture
def suite(monkeypatch):
    found = MadeUp()
    monkeypatch.setattr(suites, "SUITES", {"made-up": found})
    monkeypatch.setattr(suites, "commit", lambda: "abc")
    return found


class Seen:
    """Whoever looks on, in a place where any copy of it leaves word."""

    left: ClassVar[list] = []

    def __call__(self, case, setup, trace, row):
        self.left.append((row, case.name, trace))


@pytest.fixture
def seen():
    Seen.left = []
    yield Seen()
    Seen.left = []


def rows_of(report):
    """What the episodes came to, without the time it took."""
    return [{k: v for k, v in row.items() if k != "wall_s"} for row in report.config["episodes"]]


def test_an_interrupted_run_goes_on_to_the_same_end(suite, tmp_path):
    whole = rows_of(run_suite(ORDER, runs=2, results=tmp_path / "whole.jsonl"))
    driven = list(suite.driven)
    for stop in (0, 1, 7, 11):
        path = tmp_path / f"{stop}.jsonl"
        suite.driven, suite.stop_after = [], stop
        with pytest.raises(InterruptedDriveError):
            run_suite(ORDER, runs=2, results=path)
        with path.open("a") as file:
            file.write('{"suite": "made-up", "cas')  # and was writing just then
        suite.driven, suite.stop_after = [], None
        again = rows_of(run_suite(ORDER, runs=2, results=path))
        assert suite.driven == driven[stop:]
        assert json.dumps(again) == json.dumps(whole)
        lines = path.read_text().splitlines()
        assert [json.loads(line)["case"] for line in lines] == [name for name, _ in driven]


def test_an_accelerator_drives_them_at_once_to_the_same_rows(suite, seen, tmp_path, monkeypatch):
    """In any order; what an interrupted run has left is not driven again."""
    expected = rows_of(run_suite(ORDER, runs=2))
    one_by_one, batches = suite.driver(None, ""), []

    def together(setup, guiding):
        def drive(runs):
            batches.append(len(runs))
            for number in reversed(range(len(runs))):
                run = runs[number]
                yield number, one_by_one(run.case, run.seed, run.params)

        return drive

    monkeypatch.setattr(suites, "on_accelerator", lambda: True)
    monkeypatch.setattr(suites, "together", together)
    monkeypatch.setattr(suites, "AT_ONCE", 5)
    # another planner than the whole robot drives as before
    assert rows_of(run_suite(ORDER, runs=2)) == expected and not batches
    monkeypatch.setattr(suite, "driver", lambda setup, variant: WholeStack(one_by_one))
    path = tmp_path / "rows.jsonl"
    run_suite(ORDER, ["1", "4"], results=path)
    assert batches == [2]
    found = run_suite(ORDER, runs=2, results=path, watch=seen)
    assert json.dumps(rows_of(found)) == json.dumps(expected)
    assert batches == [2, 5, 5]
    last = [(row["case"], row["run"]) for row, _, _ in seen.left[:3]]
    assert last == [("0", 1), ("5", 0), ("3", 0)]
    assert all(name == row["case"] for row, name, _ in seen.left)


def test_a_case_is_the_same_whatever_is_run_beside_it(suite):
    every = {(row["case"], row["run"]): row["far"] for row in rows_of(run_suite(ORDER, runs=3))}
    alone = rows_of(run_suite(ORDER, ["4"], runs=3))
    assert [row["far"] for row in alone] == [every["4", run] for run in range(3)]
    assert len({row["seed"] for row in alone}) == 3
    assert len(set(every.values())) == len(every)


def test_only_what_was_driven_with_the_same_settings_and_code_counts_as_done(
    suite, tmp_path, monkeypatch
):
    path = tmp_path / "results.jsonl"
    run_suite(ORDER, results=path)
    assert len(suite.driven) == 6
    run_suite(ORDER, results=path)
    assert len(suite.driven) == 6
    run_suite(Order(suite="made-up", variant="other"), results=path)
    assert len(suite.driven) == 12
    monkeypatch.setattr(suites, "commit", lambda: "abd")
    run_suite(ORDER, results=path)
    assert len(suite.driven) == 18
    monkeypatch.setattr(suites, "commit", lambda: "abd-dirty")
    run_suite(ORDER, results=path)
    run_suite(ORDER, results=path)
    assert len(suite.driven) == 30
    assert len(path.read_text().splitlines()) == 30


def test_strata_are_summed_up_apart_and_together():
    rows = [
        {"stratum": "a", "success": True, "time": 2.0, "case": "1", "run": 0},
        {"stratum": "a", "success": False, "time": None, "case": "2", "run": 0},
        {"stratum": "b", "success": True, "time": 5.0, "case": "3", "run": 0},
    ]
    a, b, whole = summary(rows)
    assert (a["stratum"], a["episodes"], a["success"], a["time"]) == ("a", 2, 0.5, 2.0)
    assert (b["success"], b["time"]) == (1.0, 5.0)
    assert whole["success"] == pytest.approx(2 / 3) and whole["time"] == 3.5
    assert "case" not in whole and "run" not in whole


def test_names_and_patterns_choose_cases_and_unknown_ones_are_refused():
    names = ["circle-1", "circle-2", "square-1"]
    assert named(names, ()) == names
    assert named(names, ["square-1", "circle-*"]) == names
    with pytest.raises(InputError, match="cases"):
        named(names, ["circle-*", "square-2"])


def test_an_order_that_nobody_can_carry_out_is_refused(suite):
    for order in (
        Order(suite="none"),
        Order(suite="made-up", variant="third"),
        Order(suite="made-up", planner="nobody"),
    ):
        with pytest.raises(InputError):
            run_suite(order)


def test_a_file_of_something_else_is_refused_and_left_alone(suite, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    with pytest.raises(InputError, match="results"):
        run_suite(ORDER, results=path)
    assert path.read_text() == "buy milk\n"
    with pytest.raises(InputError, match="results"):
        ResultsFile(path=tmp_path).done({})
    with pytest.raises(InputError, match="results"):
        ResultsFile(path=tmp_path / "notes.txt" / "below").add({"case": "1"})


def test_seeds_do_not_depend_on_the_planner_or_the_variant():
    plain = seed_of(Order(suite="barn", variant="lidar"), "12", 0)
    assert plain == seed_of(Order(suite="barn", variant="late", planner="dwa"), "12", 0)
    assert plain != seed_of(Order(suite="barn", variant="lidar"), "12", 1)


def test_every_episode_is_shown_before_it_is_written_and_none_again(suite, seen, tmp_path):
    path = tmp_path / "results.jsonl"
    run_suite(ORDER, results=path, watch=seen)
    shown = {row["case"]: row for row, _, _ in seen.left}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(shown) == len(seen.left) == 6
    for line in lines:
        row = shown[line["case"]]
        names = ("suite", "variant", "planner", "case", "run", "success", "far", "seed")
        assert {name: row[name] for name in names} == {name: line[name] for name in names}
    for row, name, trace in seen.left:
        assert name == row["case"] and row["far"] == trace.ticks.pose_map[-1, 0]
    run_suite(ORDER, results=path, watch=seen)
    assert len(seen.left) == 6

    def stops(case, setup, trace, row):
        raise InterruptedDriveError

    with pytest.raises(InterruptedDriveError):
        run_suite(ORDER, runs=2, results=path, watch=stops)
    assert len(path.read_text().splitlines()) == 6


def test_with_several_jobs_each_process_shows_its_own(suite, seen, monkeypatch):
    """The pool's processes are this one here; what it is given goes through a pickle."""

    class Pool:
        def __init__(self, jobs, mp_context, initializer, initargs):
            assert jobs == 2
            free, *given = initargs
            initializer(free, *pickle.loads(pickle.dumps(given)))

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            pass

        def submit(self, work, *given):
            done = Future()
            done.set_result(work(*given))
            return done

    monkeypatch.setattr(suites, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(suites, "pin", lambda wanted: None)
    monkeypatch.setattr(suites, "_play", None)
    report = run_suite(ORDER, jobs=2, watch=seen)
    assert sorted(row["case"] for row, _, _ in seen.left) == [str(k) for k in range(6)]
    far = {row["case"]: row["far"] for row in rows_of(report)}
    assert {row["case"]: row["far"] for row, _, _ in seen.left} == far


def test_what_is_wrong_in_another_process_is_told_in_this_one():
    for kind in (InputError, MessageError):
        error = pickle.loads(pickle.dumps(kind("plots", "/full", "a folder", "there")))
        assert type(error) is kind and str(error) == str(
            kind("plots", "/full", "a folder", "there")
        )
        assert (error.field, error.where) == ("plots", "there")
