"""Sweeps over suites: what makes a task the same one, and what its report says."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from astro_jax import cli
from astro_jax.bench import suites, swept
from astro_jax.bench import sweep_report as bench_report
from astro_jax.bench.intervals import bootstrap
from astro_jax.bench.sweep_report import MEASURES, is_share, sweep_report
from astro_jax.errors import InputError
from astro_jax.suites import barn
from astro_jax.sweep.dispatch import Queue, attempt
from astro_jax.sweep.manifest import files_digest
from astro_jax.sweep.run import run_sweep
from astro_jax.sweep.spec import load_spec
from astro_jax.tables import sweep_table
from tests.suites.made_up import trace_of

SHARES = [name for name in MEASURES if is_share(name)]
SPEC = """
drive: [{suite: made-up, variant: plain, cases: ["[0-3]"], runs: 2}]
vary: {over: {params.patience: [1.0, 2.0], robot.speed: [0.5, 1.0, 2.0]}}
"""


class MadeUp:
    """Drives whose time is case + 2/speed + patience; the slowest run into something."""

    VARIANTS = ("plain", "other")

    def __init__(self):
        self.compiled = []

    def setup(self, variant):
        return barn.setup()

    def load(self, folder, setup, variant):
        maker = lambda name: lambda seed: SimpleNamespace(name=name, stratum="a", shortest_path=1.0)
        return {str(k): maker(str(k)) for k in range(6)}

    def driver(self, setup, variant):
        self.compiled.append(setup.robot.speed)

        def drive(case, seed, params):
            took = int(case.name) + 2.0 / setup.robot.speed + params.patience
            xy = np.column_stack([np.linspace(0, 1, 100), np.zeros(100)])
            return trace_of(xy, arrived_at=took)

        return drive

    def judge(self, case, setup, trace):
        good = trace.arrived_at < 7.5
        return {
            "success": good,
            "collision": not good,
            "contacts": 0 if good else 3,
            "time": trace.arrived_at if good else math.nan,
        }


@pytest.fixture
def suite(monkeypatch):
    made_up = MadeUp()
    monkeypatch.setattr(suites, "SUITES", {"made-up": made_up})
    monkeypatch.setattr(swept, "SUITES", {"made-up": made_up})
    swept._player.cache_clear()
    yield made_up
    swept._player.cache_clear()


@pytest.fixture
def spec_of(tmp_path):
    def load(text):
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        return load_spec(path)

    return load


def at_once(work, tasks):
    queue, group = Queue(tasks), ""
    while queue.left:
        task = queue.take(group, ())
        group = task.group
        outcome = queue.settled(task, attempt(work, task.job))
        if outcome is not None:
            yield outcome


def test_every_setting_drives_every_case_and_only_what_is_static_compiles(suite, spec_of, tmp_path):
    spec = spec_of(SPEC)
    tasks = swept.tasks_of(spec, tmp_path)
    keys = {(task.row["setting"], task.row["case"], task.row["run"]) for task in tasks}
    assert len(tasks) == len(keys) == 6 * 4 * 2
    of = swept.manifest_of(spec, tasks, None)
    run_sweep(swept.play, tasks, of, tmp_path / "store", at_once)
    assert suite.compiled == [0.5, 1.0, 2.0]
    seeds = {(task.row["case"], task.row["run"]): task.row["seed"] for task in tasks}
    assert all(task.row["seed"] == seeds[task.row["case"], task.row["run"]] for task in tasks)
    assert len(set(seeds.values())) == len(seeds)


def test_an_id_hangs_on_all_that_decides_and_on_nothing_else(suite, spec_of, tmp_path):
    def ids(text):
        return {
            (task.row["params.patience"], task.row["case"], task.row["run"]): task.id
            for task in swept.tasks_of(spec_of(text), tmp_path)
        }

    usual = (
        "drive: [{suite: made-up, cases: [a], runs: 2}]\nvary: {over: {params.patience: [1.0, 2]}}"
    )
    usual = usual.replace("[a]", '["1", "2"]')
    whole = ids(usual)
    assert len(set(whole.values())) == 8
    fewer = ids(
        usual.replace('["1", "2"]', '["2"]').replace("1.0, 2", "2.0").replace("runs: 2", "runs: 1")
    )
    assert fewer == {(2.0, "2", 0): whole[2.0, "2", 0]}
    for other in (
        usual.replace("made-up,", "made-up, variant: other,"),
        usual + "\nfixed: {params.turning: 0.5}",
        usual + "\nfixed: {config.candidates: 100}",
        usual + "\nfixed: {robot.actuator_lag: 0.01}",
    ):
        assert not set(ids(other).values()) & set(whole.values())


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        (SPEC.replace("made-up", "none"), "spec.yaml:2"),
        (SPEC.replace("plain", "third"), "third"),
        (SPEC.replace("[0-3]", "9"), "spec.yaml:2"),
        (SPEC.replace("0.5, 1.0", "99.0, 1.0"), "spec.yaml:3"),
        ("drive: [{suite: made-up}]\nvary: {kind: list, settings: [{}, {params.turning: 0.01}]}",
         "settings is number 0 and 1"),
        ("drive: [{suite: made-up}, {suite: made-up}]\nvary: {kind: list, settings: [{}]}",
         "made-up 0 twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_driven_is_refused_before_anything_is(
    text, needle, suite, spec_of, tmp_path
):
    with pytest.raises(InputError) as info:
        swept.tasks_of(spec_of(text), tmp_path)
    assert needle in str(info.value)
    assert not suite.compiled


def test_two_runs_with_one_seed_are_refused(suite, spec_of, tmp_path, monkeypatch):
    monkeypatch.setattr(swept, "seed_of", lambda order, case, run: 7)
    with pytest.raises(InputError, match="made-up plain 0 0 7"):
        swept.tasks_of(spec_of(SPEC), tmp_path)


def test_data_are_told_apart_by_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    first = files_digest(tmp_path)
    (tmp_path / "a" / "x").write_text("2")
    second = files_digest(tmp_path)
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert len({first, second, files_digest(tmp_path)}) == 3


@pytest.fixture
def store(suite, spec_of, tmp_path):
    spec = spec_of(SPEC)
    tasks = swept.tasks_of(spec, tmp_path)
    # a task of the last setting and one of the first are poison
    poison = {tasks[0].id, tasks[-1].id}
    tasks = [dataclasses.replace(t, job=None) if t.id in poison else t for t in tasks]
    of = swept.manifest_of(spec, tasks, None)
    run_sweep(swept.play, tasks, of, tmp_path / "store", at_once)
    return tmp_path / "store"


def test_the_report_says_what_is_in_the_store(store, capsys):
    report = sweep_report(store)
    assert report.metrics == {
        "settings": 6, "planned": 48, "finished": 48, "missing": 0, "failed": 2,
    }  # fmt: skip
    row = {(case["params.patience"], case["robot.speed"]): case for case in report.cases}
    # at half a metre per second only the first two of four cases are in time: 4 + 2 and one more
    slow = row[2.0, 0.5]
    assert (slow["episodes"], slow["success"], slow["time"]) == (8, 0.5, 6.5)
    assert (slow["collision"], slow["contacts"]) == (0.5, 1.5)
    assert slow["success_low"] < 0.25 < 0.75 < slow["success_high"]
    assert row[1.0, 0.5]["episodes"] == 7 and row[1.0, 0.5]["failed"] == 1
    Console(width=240).print(sweep_table(report, MEASURES, SHARES))
    said = capsys.readouterr().out
    assert "made-up plain" in said and "50.0 % (21.5 to 78.5)" in said and "6.50 (6." in said


def test_the_report_says_what_is_missing(suite, spec_of, tmp_path, capsys):
    """A sweep that was interrupted, and a part of a store that somebody has removed."""
    pytest.importorskip("matplotlib", reason="pictures need the extra viz")
    spec, folder = spec_of(SPEC), tmp_path / "store"
    tasks = swept.tasks_of(spec, tmp_path)
    of = swept.manifest_of(spec, tasks, None)

    def interrupt(progress):
        if progress.done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(swept.play, tasks, of, folder, at_once, interrupt)
    report = sweep_report(folder)
    assert report.metrics == {
        "settings": 6, "planned": 48, "finished": 30, "missing": 18, "failed": 0,
    }  # fmt: skip
    assert sum(case["episodes"] for case in report.cases) == 30
    assert cli.main(["sweep", "report", str(folder)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "missing" in line]
    assert "18" in line
    (first,) = folder.glob("part-*")
    run_sweep(swept.play, tasks, of, folder, at_once)
    assert sweep_report(folder).metrics["missing"] == 0
    first.unlink()
    assert sweep_report(folder).metrics["missing"] == 30
    # only that is driven again
    run_sweep(swept.play, tasks, of, folder, at_once)
    assert sweep_report(folder).metrics["missing"] == 0


def test_settings_are_compared_within_episodes(store):
    """Patience adds a second to every episode, whatever else; cases differ by more than that."""
    report = sweep_report(store)
    by_setting = {(c["params.patience"], c["robot.speed"]): c for c in report.cases}
    for speed in (0.5, 1.0, 2.0):  # though slow ones have succeeded in the first cases only
        # a time of case + 2/speed + patience; the cases' mean is 1.5
        for patience in (1.0, 2.0):
            within = by_setting[patience, speed]["time_within"]
            assert within == pytest.approx(1.5 + 2.0 / speed + patience, abs=1e-4)
    marginals = {
        row["value"]: row for row in report.config["marginals"]
        if row["name"] == "params.patience"
    }  # fmt: skip
    short, long = marginals[1.0], marginals[2.0]
    assert long["time_within"] - short["time_within"] == pytest.approx(1.0, abs=0.2)
    assert short["time_within_high"] < long["time_within_low"]
    assert short["time_high"] > long["time_low"]
    # eight episodes, however many settings drove them
    assert long["success_high"] - long["success_low"] > 0.3


def test_the_bootstrap_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        low, high = bootstrap(random.exponential(2.0, 60))
        inside += low <= 2.0 <= high
    assert 0.88 <= inside / 200 <= 0.98
    many = random.exponential(2.0, 2000)
    assert np.allclose(bootstrap(many), bootstrap([*many][:2000]))
    assert all(map(math.isnan, bootstrap([1.0])))


def test_the_command_reports_and_draws(store, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need the extra viz")
    monkeypatch.setattr(bench_report, "MEASURES", {"success": "success", "time": "time, s"})
    assert cli.main(["sweep", "report", str(store)]) == 0
    said = capsys.readouterr().out
    assert "failed after 3 tries: made-up 0, run 0, setting 0: AttributeError" in said
    drawn = {path.name for path in (store / "report").iterdir()}
    assert drawn == {"report.json", "made-up-plain.png", "made-up-plain-grid.png"}
    written = json.loads((store / "report" / "report.json").read_text())
    assert written["metrics"]["failed"] == 2 and len(written["cases"]) == 6


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        ([], "SPEC.yaml"),
        (["report"], "store"),
        (["report", "nowhere"], "nowhere"),
        (["spec.yaml"], "--store"),
        (["spec.yaml", "--store", "s", "--jobs", "0"], "jobs"),
        (["spec.yaml", "--store", "s", "--limit", "0"], "limit"),
        (["spec.yaml", "--store", "s", "--limit", "nan"], "limit"),
        (["spec.yaml", "--store", "s", "--limit", "9", "--scheduler", "local"], "limit"),
        (["nowhere.yaml", "--store", "s"], "nowhere.yaml"),
        (["spec.yaml", "--store", "s", "--data", "nowhere"], "nowhere"),
        (["spec.yaml", "--store", "s", "--data", ".", "--scheduler", "tcp://127.0.0.1:1"], "sched"),
    ],
)
def test_bad_input_gets_one_line(arguments, needle, suite, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("astro_jax.sweep.cluster.PATIENCE", 0.2)
    (tmp_path / "spec.yaml").write_text(SPEC)
    assert cli.main(["sweep", *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("astro-jax: ") and needle in lines[0]
