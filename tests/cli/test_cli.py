"""The command line as a person meets it: figures for good input, one line for bad."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astro_jax import cli
from astro_jax.learning.demonstrations import read_drive
from astro_jax.scenes import flat_scene
from astro_jax.types import Status
from astro_jax.viz.episode import gaps
from astro_jax.viz.stored import read_episode

pytestmark = pytest.mark.usefixtures("compiled_quickly")

WALL, OUTSIDE = ("6.25", "7.5", "0"), ("-30", "2", "0")

BAD = {
    "missing map": (["--map", "nowhere/home.yaml"], ["nowhere/home.yaml", "map"]),
    "start in a wall": (["--start", *WALL], ["start", "6.25", "free place"]),
    "goal in a wall": (["--goal", *WALL], ["goal", "6.25", "free place"]),
    "start outside": (["--start", *OUTSIDE], ["start", "-30"]),
    "goal outside": (["--goal", *OUTSIDE], ["goal", "-30"]),
    "goal not a number": (["--goal", "nan", "1", "0"], ["goal", "nan"]),
    "people below 0": (["--people", "-1"], ["people", "-1", "0"]),
    "too many people": (["--people", "99"], ["people", "99"]),
    "latency below 0": (["--latency", "-0.1"], ["latency", "-0.1"]),
    "latency beyond reason": (["--latency", "3"], ["latency", "3.0"]),
    "latency not a number": (["--latency", "nan"], ["latency", "nan"]),
    "seed below 0": (["--seed", "-3"], ["seed", "-3"]),
    "missing robot": (["--robot", "no.yaml"], ["no.yaml"]),
    "missing planner": (["--planner", "no.yaml"], ["no.yaml"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_leaves_nothing(case, tmp_path, capsys):
    arguments, needles = BAD[case]
    out = tmp_path / "out"
    assert cli.main(["demo", "--out", str(out), *arguments]) == 2
    shown = capsys.readouterr()
    lines = shown.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("astro-jax: ")
    assert all(needle in lines[0] for needle in needles), lines[0]
    assert "expected" in lines[0]
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("image: flat.png\nresolution: 0\norigin: [0, 0, 0]", "resolution"),
        ("image: gone.png\nresolution: 0.05\norigin: [0, 0, 0]", "image"),
        ("- just\n- a list", "map"),
        ("image: [", "map"),
    ],
)
def test_malformed_map_is_named(text, needle, tmp_path, capsys):
    thresholds = "\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    path = tmp_path / "home.yaml"
    path.write_text(text + (thresholds if "resolution" in text else ""))
    assert cli.main(["demo", "--map", str(path), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert needle in line and "home.yaml" in line
    assert not (tmp_path / "out").exists()


def test_malformed_robot_is_named_with_its_line(tmp_path, capsys):
    path = tmp_path / "robot.yaml"
    path.write_text("name: box\nspeed: fast\n")
    assert cli.main(["demo", "--robot", str(path), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "robot.yaml:2" in line and "speed" in line and "fast" in line


def test_out_that_is_a_file_is_refused(tmp_path, capsys):
    out = tmp_path / "taken"
    out.write_text("mine")
    assert cli.main(["demo", "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "out" in line and "taken" in line
    assert out.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_out_without_permission_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert cli.main(["demo", "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_unreachable_goal_is_a_typed_failure(tmp_path, capsys):
    from PIL import Image

    cells = np.full((60, 100), 254, np.uint8)
    cells[:, 48:52] = 0
    Image.fromarray(cells).save(tmp_path / "split.png")
    (tmp_path / "split.yaml").write_text(
        "image: split.png\nresolution: 0.05\norigin: [0, 0, 0]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    arguments = ["--map", str(tmp_path / "split.yaml"), "--out", str(tmp_path / "out")]
    ends = ["--start", "1", "1.5", "0", "--goal", "4", "1.5", "0"]
    assert cli.main(["demo", *arguments, *ends, "--people", "0"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "goal" in line and "reached" in line


def test_unknown_option_is_no_traceback():
    command = [sys.executable, "-m", "astro_jax.cli", "demo", "--peple", "3"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr and "peple" in run.stderr


@pytest.fixture(scope="module")
def driven(tmp_path_factory) -> Path:
    """A short drive: a planner with few candidates, from the hall into the kitchen."""
    folder = tmp_path_factory.mktemp("driven")
    planner = folder / "small.yaml"
    planner.write_text(
        "config:\n  candidates: 96\n  gradient_steps: 0\n  people: 2\n  map_cells: 80\n"
    )
    ends = ["--start", "5.3", "5.2", "2.6", "--goal", "3.4", "6.3", "3.1"]
    out = folder / "out"
    small = ["--planner", str(planner), "--people", "1", "--seed", "5"]
    assert cli.main(["demo", "--out", str(out), *ends, *small]) == 0
    return out


def test_a_drive_leaves_film_picture_figures_and_arrays(driven):
    left = {path.name for path in driven.iterdir()}
    assert left >= {"metrics.json", "episode.npz", "drive.npz", "cycle.png"}
    assert left & {"demo.mp4", "demo.gif"}
    assert not [name for name in left if name.startswith(".")]


def test_figures_of_a_drive_are_plausible(driven):
    report = json.loads((driven / "metrics.json").read_text())
    assert {"name", "commit", "config", "device", "versions", "seed", "metrics"} <= set(report)
    metrics = report["metrics"]
    assert metrics["success"] == 1.0 and metrics["at_fault"] == 0.0
    assert 0.8 < metrics["path_ratio"] < 2.5
    assert metrics["recompiles"] == 0
    assert 0.0 < metrics["plan_median_ms"] <= metrics["plan_p99_ms"]


def test_a_drive_can_be_drawn_again(driven, tmp_path):
    file, out = str(driven / "episode.npz"), tmp_path / "drive.png"
    assert cli.main(["plot", "episode", file, "--out", str(out)]) == 0
    assert cli.main(["plot", "plan", file, "--at", "1.5", "--out", str(out)]) == 0
    report = json.loads((driven / "metrics.json").read_text())
    record = read_episode(driven / "episode.npz")
    people, walls = (gap[record.log.time <= report["metrics"]["time"]] for gap in gaps(record))
    # the referee looks every 5 ms, the log has ten moments a second
    assert abs(people.min() - report["metrics"]["min_clearance_people"]) < 0.02
    assert abs(walls.min() - report["metrics"]["min_clearance_walls"]) < 0.02


def test_arrays_of_a_drive_agree_with_its_figures(driven):
    report = json.loads((driven / "metrics.json").read_text())
    with np.load(driven / "episode.npz", allow_pickle=False) as arrays:
        poses, time = arrays["ticks.pose_map"], arrays["ticks.time"]
        status, cycle = arrays["log.status"], arrays["log.time"]
    goal = np.array([3.4, 6.3])
    assert np.hypot(*(poses[-1, :2] - goal)) < 0.3
    assert math.isclose(time[1] - time[0], 0.02, rel_tol=1e-3)
    driven_until = np.searchsorted(time, report["metrics"]["time"])
    length = np.hypot(*np.diff(poses[: driven_until + 1, :2], axis=0).T).sum()
    assert math.isclose(length, report["metrics"]["path_length"], rel_tol=0.05)
    # as a demonstration it is the same drive
    shown = read_drive(driven / "drive.npz")
    assert np.allclose(shown.time, time[::5]) and np.allclose(shown.pose, poses[::5])
    assert np.hypot(*(shown.goal[:2] - goal)) < 1e-5
    assert not shown.house_map.blocked_at(shown.pose[:, :2]).any()
    # it is driven by good plans to the goal, and halted there
    halted = status == int(Status.NO_GOAL)
    assert not status[~halted].any()
    assert cycle[halted].min() > report["metrics"]["time"] - 0.2


def test_packaged_scene_is_complete():
    scene = flat_scene()
    assert scene.map_path.exists() and len(scene.people) == 3
    assert sum(door.closed for door in scene.doors) == 1


BAD_BENCH = {
    "no runs": (["cycle", "--runs", "0"], ["runs", "0"]),
    "many candidates": (["cycle", "--candidates", "9000000"], ["candidates", "9000000"]),
    "few candidates": (["cycle", "--candidates", "10"], ["candidates", "10"]),
    "people below 0": (["cycle", "--people", "-1"], ["people", "-1"]),
    "soak below 0": (["cycle", "--soak-cycles", "-5"], ["soak_cycles", "-5"]),
    "missing robot": (["cycle", "--robot", "no.yaml"], ["no.yaml"]),
    "no scenarios": (["risk", "--scenarios", "0"], ["scenarios", "0"]),
    "no samples": (["risk", "--samples", "0"], ["samples", "0"]),
    "missing data": (["forecast", "--data", "nowhere"], ["data", "nowhere"]),
    "no recordings": (["forecast", "--data", "configs"], ["data", "configs"]),
    "no pairs": (["route", "--pairs", "0"], ["pairs", "0"]),
    "no grids": (["route", "--data", "configs"], ["data", "configs"]),
    "forecast's seed below 0": (["forecast", "--seed", "-1"], ["seed", "-1"]),
    "no episodes": (["surprise", "--episodes", "0"], ["episodes", "0"]),
    "no jobs": (["surprise", "--jobs", "0"], ["jobs", "0"]),
    "nobody to follow": (["follow", "--data", "configs"], ["data", "configs"]),
    "no walks": (["follow", "--episodes", "0"], ["episodes", "0"]),
    "follower's seed below 0": (["follow", "--seed", "-1"], ["seed", "-1"]),
    "no cases": (["barn", "--data", "configs"], ["data", "barn_worlds.npz"]),
    "unknown case": (["crossing", "--cases", "nobody-*"], ["cases", "nobody-*"]),
    "unknown variant": (["crossing", "--variant", "200"], ["variant", "200", "300"]),
    "unknown planner": (["crossing", "--planner", "nobody"], ["planner", "nobody", "astro"]),
    "pictures in a file": (["crossing", "--plots", "Makefile/in"], ["plots", "Makefile/in"]),
    "pictures as a file": (["crossing", "--plots", "Makefile"], ["plots", "Makefile"]),
    "no home runs": (["homes", "--runs", "0"], ["runs", "0"]),
    "replay below 0": (["surprise", "--replay", "-1"], ["replay", "-1"]),
    "replay at home": (["surprise", "--stack", "full", "--replay", "1"], ["replay", "--stack"]),
}


@pytest.mark.parametrize("case", BAD_BENCH)
def test_bad_bench_gets_one_line(case, capsys):
    arguments, needles = BAD_BENCH[case]
    assert cli.main(["bench", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert all(needle in line for needle in needles) and "expected" in line


def test_every_bench_has_its_own_options(capsys):
    for arguments in (["bench", "cycle", "--scenarios", "5"], ["bench", "risk", "--bare"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        assert stopped.value.code == 2


def test_bench_cycle_hands_over_its_options(monkeypatch, tmp_path, capsys):
    from astro_jax.bench import cycle
    from astro_jax.bench.report import Report

    asked = {}

    def bench_cycle(robot, config, params, people, runs, soak, seed):
        asked.update(config=config, people=people, runs=runs, soak=soak, seed=seed)
        return Report(name="cycle", metrics={"median_ms": 1.5})

    monkeypatch.setattr(cycle, "bench_cycle", bench_cycle)
    path = tmp_path / "deep" / "cycle.json"
    options = ["--candidates", "1200", "--people", "4", "--runs", "7", "--soak-cycles", "2"]
    assert cli.main(["bench", "cycle", *options, "--seed", "3", "--json", str(path)]) == 0
    config = asked.pop("config")
    assert config.candidates * config.stages == 1200 and config.people == 4
    assert asked == {"people": 4, "runs": 7, "soak": 2, "seed": 3}
    assert json.loads(path.read_text())["metrics"] == {"median_ms": 1.5}
    assert "median_ms" in capsys.readouterr().out


def test_bench_risk_hands_over_its_options(monkeypatch, tmp_path, capsys):
    import types

    from matplotlib.figure import Figure

    from astro_jax.bench.report import Report

    asked = {}

    def bench_risk(robot, params, scenarios, samples, seed):
        asked.update(robot=robot.name, scenarios=scenarios, samples=samples, seed=seed)
        return Report(name="risk", metrics={"slope": 1.0})

    def reliability_figure(report):
        asked["drawn"] = report.name
        return Figure()

    modules = {
        "astro_jax.bench.risk": types.SimpleNamespace(bench_risk=bench_risk),
        "astro_jax.viz.reliability": types.SimpleNamespace(reliability_figure=reliability_figure),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    picture, path = tmp_path / "plots" / "risk.png", tmp_path / "risk.json"
    options = ["--scenarios", "9", "--samples", "11", "--seed", "2"]
    files = ["--plot", str(picture), "--json", str(path)]
    assert cli.main(["bench", "risk", *options, *files]) == 0
    assert asked == {
        "robot": "astro", "scenarios": 9, "samples": 11, "seed": 2, "drawn": "risk"
    }  # fmt: skip
    assert picture.stat().st_size > 0
    assert json.loads(path.read_text())["name"] == "risk"
    assert cli.main(["bench", "risk", "--plot", str(tmp_path / "risk.nonsense")]) == 2
    assert "plot" in capsys.readouterr().err


def test_bench_forecast_hands_over_its_options(monkeypatch, tmp_path, capsys):
    import types

    from matplotlib.figure import Figure

    from astro_jax.bench.report import Report

    asked = {}

    def bench_forecast(scenes, params, seed):
        asked.update(scenes=scenes, wide=params.walker_noise_wide, seed=seed)
        return Report(name="forecast", metrics={"nll": -0.5})

    def calibration_figure(report):
        asked["drawn"] = report.name
        return Figure()

    modules = {
        "bench.forecast": types.SimpleNamespace(bench_forecast=bench_forecast),
        "suites.eth_ucy": types.SimpleNamespace(load_scenes=lambda path: [str(path)]),
        "viz.calibration": types.SimpleNamespace(calibration_figure=calibration_figure),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"astro_jax.{name}", module)
    planner = tmp_path / "planner.yaml"
    planner.write_text("params:\n  walker_noise_wide: 0.5\n")
    picture, path = tmp_path / "plots" / "forecast.png", tmp_path / "forecast.json"
    options = ["--planner", str(planner), "--seed", "4", "--plot", str(picture)]
    monkeypatch.setenv("ASTRO_JAX_DATA", "elsewhere")
    given = ["--data", "recordings", *options, "--json", str(path)]
    assert cli.main(["bench", "forecast", *given]) == 0
    assert asked == {"scenes": ["recordings"], "wide": 0.5, "seed": 4, "drawn": "forecast"}
    assert picture.stat().st_size > 0
    assert json.loads(path.read_text())["metrics"] == {"nll": -0.5}
    assert cli.main(["bench", "forecast"]) == 0 and asked["scenes"] == ["elsewhere"]
    capsys.readouterr()
    monkeypatch.delenv("ASTRO_JAX_DATA")
    assert cli.main(["bench", "forecast"]) == 2
    assert "ASTRO_JAX_DATA" in capsys.readouterr().err


def test_map_check_reports_and_draws(tmp_path, capsys):
    picture = tmp_path / "pictures" / "flat.png"
    flat = str(flat_scene().map_path)
    assert cli.main(["map", "check", flat, "--picture", str(picture)]) == 0
    shown = capsys.readouterr().out
    for needle in ("11.50 x 9.00 m", "230 x 180", "66.8 m²", "within reach", "0.90 m"):
        assert needle in shown
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_map_check_refuses_in_one_line(tmp_path, capsys):
    flat = str(flat_scene().map_path)
    for arguments, needle in (
        ([str(tmp_path / "none.yaml")], "none.yaml"),
        ([flat, "--robot", "no.yaml"], "no.yaml"),
        ([flat, "--picture", str(tmp_path / "plan.docx")], "picture"),
    ):
        assert cli.main(["map", "check", *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert needle in line and line.startswith("astro-jax: ")


def test_bench_route_hands_over_its_options(monkeypatch, tmp_path, capsys):
    import types

    from astro_jax.bench.report import Report

    asked = {}

    def bench_route(data, pairs, runs, seed):
        asked.update(data=str(data), pairs=pairs, runs=runs, seed=seed)
        return Report(name="route", metrics={"mismatches": 0.0})

    made = types.SimpleNamespace(bench_route=bench_route)
    monkeypatch.setitem(sys.modules, "astro_jax.bench.route", made)
    path = tmp_path / "route.json"
    options = ["--pairs", "5", "--runs", "2", "--seed", "4", "--json", str(path)]
    assert cli.main(["bench", "route", "--data", "maps", *options]) == 0
    assert asked == {"data": "maps", "pairs": 5, "runs": 2, "seed": 4}
    assert json.loads(path.read_text())["metrics"] == {"mismatches": 0.0}
    capsys.readouterr()
    monkeypatch.delenv("ASTRO_JAX_DATA", raising=False)
    assert cli.main(["bench", "route"]) == 2
    assert "ASTRO_JAX_DATA" in capsys.readouterr().err


@pytest.mark.parametrize("stack", ["gate", "full"])
def test_bench_surprise_hands_over_its_options(stack, monkeypatch, tmp_path, capsys):
    import types

    from astro_jax.bench.report import Report

    asked = {}
    row = {"stratum": "still clutter", "episodes": 4, "contacts": 7, "slowed": 0.25}
    report = Report(name="surprise", metrics={"contacts": 7}, cases=[row])

    def bench_surprise(robot, config, episodes, seed, jobs, on_batch):
        asked.update(stack="gate", episodes=episodes, seed=seed, jobs=jobs)
        on_batch(episodes)
        return report

    def bench_home(robot, config, params, episodes, seed, path, on_episode):
        asked.update(stack="full", episodes=episodes, seed=seed, path=path)
        on_episode(episodes)
        return report

    gate, home = types.SimpleNamespace(bench_surprise=bench_surprise), types.SimpleNamespace()
    home.bench_home = bench_home
    monkeypatch.setitem(sys.modules, "astro_jax.bench.surprise", gate)
    monkeypatch.setitem(sys.modules, "astro_jax.bench.surprise_home", home)
    path = tmp_path / "surprise.json"
    options = ["--episodes", "4", "--seed", "9", "--jobs", "1", "--json", str(path)]
    assert cli.main(["bench", "surprise", "--stack", stack, *options]) == 0
    assert asked["stack"] == stack and asked["episodes"] == 4 and asked["seed"] == 9
    assert asked.get("jobs", 1) == 1 and asked.get("path", path) == path
    shown = capsys.readouterr().out
    assert "still clutter" in shown and "25.0%" in shown
    assert json.loads(path.read_text())["cases"] == [row]


@pytest.mark.parametrize("walkers", ["both", "recorded", "home"])
def test_bench_follow_hands_over_its_options(walkers, monkeypatch, tmp_path, capsys):
    import types

    from matplotlib.figure import Figure

    from astro_jax.bench.report import Report
    from astro_jax.tables import FOLLOW

    asked = {}
    row = {**dict.fromkeys(FOLLOW, 1), "stratum": "a place", "in_view": 0.625}

    def bench_follow(robot, config, params, chases, seed, on_episode):
        asked.update(robot=robot.name, chases=chases, seed=seed)
        for _ in chases:
            on_episode({})
        bounds = {"in_view": (0.5, 0.75)}
        return Report(
            name="follow",
            metrics={"in_view": 0.625},
            intervals=bounds,
            cases=[row],
            config={"episodes": [{"name": "one"}]},
        )

    def recorded_chases(folder, robot, config, count, seed):
        return [f"{folder} {count} {seed}"]

    def home_chases(robot, config, count, seed):
        return [f"home {count} {seed}"]

    def follow_figure(episodes, cases, bins, band):
        asked["drawn"] = (episodes, cases)
        return Figure()

    made = {
        "bench.follow": {"bench_follow": bench_follow, "BAND": (1, 2), "BINS": (0, 1)},
        "bench.follow_scenes": {"recorded_chases": recorded_chases, "home_chases": home_chases},
        "viz.following": {"follow_figure": follow_figure},
    }
    for name, parts in made.items():
        monkeypatch.setitem(sys.modules, f"astro_jax.{name}", types.SimpleNamespace(**parts))
    picture, path = tmp_path / "plots" / "follow.png", tmp_path / "follow.json"
    options = ["--episodes", "4", "--seed", "9", "--data", "walks", "--plot", str(picture)]
    given = ["--walkers", walkers, *options, "--json", str(path)]
    assert cli.main(["bench", "follow", *given]) == 0
    wanted = {"recorded": ["walks 4 9"], "home": ["home 4 9"], "both": ["walks 4 9", "home 4 9"]}
    assert asked["chases"] == wanted[walkers]
    assert asked["seed"] == 9 and asked["drawn"] == ([{"name": "one"}], [row])
    shown = capsys.readouterr().out
    assert "a place" in shown and "62.5%" in shown and "0.5 – 0.75" in shown
    assert picture.stat().st_size > 0
    assert json.loads(path.read_text())["cases"] == [row]
