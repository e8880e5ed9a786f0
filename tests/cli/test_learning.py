"""``astro-jax learn``: what it writes loads, and bad input gets one line."""

import contextlib
import dataclasses
import json
import struct
from typing import Any

import numpy as np
import pytest

from astro_jax import cli
from astro_jax.bench import tuning
from astro_jax.config import PlannerParams
from astro_jax.learning.closed_loop import Outcome
from astro_jax.learning.demonstrations import write_drive
from astro_jax.strict_yaml import load_planner
from tests.learning.test_demonstrations import some_drive

TUNE = ["tune", "--suite", "crossing", "--params", "patience", "--population", "4", "--batch", "2"]


@pytest.fixture
def quick(monkeypatch):
    drives = []

    def evaluate(wanted):
        drives.extend(task for _, task in wanted)
        times = [10.0 + abs(params.patience - 6.0) for params, _ in wanted]
        return [
            Outcome(success=True, at_fault=False, time=time, limit=60.0, jerk=1.0) for time in times
        ]

    monkeypatch.setattr(tuning, "evaluator", lambda *given: contextlib.nullcontext(evaluate))
    return drives


def test_tune_writes_what_loads_and_goes_on(quick, tmp_path, capsys):
    out, logs = tmp_path / "out", tmp_path / "logs"
    told = [*TUNE, "--out", str(out), "--tensorboard", str(logs)]
    assert cli.main(["learn", *told, "--generations", "2"]) == 0
    _, params = load_planner(out / "params.yaml")
    report = json.loads((out / "report.json").read_text())
    assert params.patience == pytest.approx(report["metrics"]["patience"], rel=1e-6)
    assert dataclasses.replace(params, patience=4.0) == PlannerParams()
    driven = len(quick)
    assert cli.main(["learn", *told, "--generations", "3"]) == 0
    assert len(quick) - driven <= 4 * 2 + 2
    assert json.loads((out / "report.json").read_text())["metrics"]["generations"] == 3.0
    assert "patience" in capsys.readouterr().out
    tags = set().union(*(tags_in(path.read_bytes()) for path in logs.iterdir()))
    assert {"cost/mean", "contacts/multiplier", "params/patience"} <= tags


def tags_in(data):
    """The tags of scalars in an event file: records of length, checksum, message, checksum."""
    event_pb2: Any = pytest.importorskip("tensorboardX.proto.event_pb2")
    found, place = set(), 0
    while place < len(data):
        (length,) = struct.unpack("<Q", data[place : place + 8])
        event = event_pb2.Event.FromString(data[place + 12 : place + 12 + length])
        found |= {value.tag for value in event.summary.value}
        place += 16 + length
    return found


def test_demos_hand_over_drives_and_options(monkeypatch, tmp_path, capsys):
    given = {}

    def learn_demos(robot, config, params, drives, names, recipe, each, seed, tell):
        given.update(drives=drives, names=names, recipe=recipe, each=each, seed=seed)
        tell("looking", 1, 1)
        learned = dataclasses.replace(params, lateral=0.5)
        return learned, tuning.Report(name="learn demos", metrics={"lateral": 0.5})

    monkeypatch.setattr(tuning, "learn_demos", learn_demos)
    (tmp_path / "drives").mkdir()
    write_drive(tmp_path / "drives" / "one.npz", some_drive())
    options = ["--weights", "lateral", "--spread", "0.7", "--farthest", "3", "--each", "2"]
    where = ["--drives", str(tmp_path / "drives"), "--out", str(tmp_path / "out"), "--seed", "5"]
    assert cli.main(["learn", "demos", *options, *where]) == 0
    assert [drive.name for drive in given["drives"]] == ["hall/7"]
    assert given["names"] == ("lateral",) and (given["each"], given["seed"]) == (2, 5)
    assert (given["recipe"].spread, given["recipe"].farthest) == (0.7, 3.0)
    assert load_planner(tmp_path / "out" / "params.yaml")[1].lateral == 0.5
    assert "lateral" in capsys.readouterr().out


def test_judge_sets_a_file_beside_the_suites_own(quick, tmp_path, capsys):
    planner, report = tmp_path / "p.yaml", tmp_path / "report.json"
    planner.write_text("params:\n  patience: 6.0\n")
    told = ["judge", str(planner), "--suite", "crossing", "--cases", "crossing-1-*"]
    assert cli.main(["learn", *told, "--json", str(report)]) == 0
    held = json.loads(report.read_text())
    # 10 s with it, 12 s with the suite's own 4 s of patience
    assert held["metrics"]["time_ratio"] == pytest.approx(10.0 / 12.0)
    assert held["metrics"]["held_out"] == len(held["cases"]) > 1
    assert "time_ratio" in capsys.readouterr().out


BAD = {
    "nothing to judge": (["judge", "no.yaml", "--suite", "crossing"], ["no.yaml"]),
    "no drives": (["demos", "--drives", "nowhere"], ["drives", "nowhere"]),
    "no such weight": (["demos", "--weights", "hurry"], ["weights", "hurry"]),
    "no weight at all": (["demos", "--weights"], ["weights"]),
    "spread of nothing": (["demos", "--spread", "0"], ["spread", "0.0"]),
    "not a number": (["demos", "--farthest", "nan"], ["farthest", "nan"]),
    "no candidates": (["demos", "--each", "0"], ["each", "0"]),
    "missing planner": (["demos", "--planner", "no.yaml"], ["no.yaml"]),
    "no such param": ([*TUNE[:3], "--params", "hurry"], ["params", "hurry"]),
    "no such case": ([*TUNE, "--train", "nobody"], ["cases", "nobody"]),
    "no such variant": ([*TUNE, "--variant", "odd"], ["variant", "odd"]),
    "too few members": ([*TUNE[:5], "--population", "2"], ["population", "2"]),
    "no generation": ([*TUNE, "--generations", "0"], ["generations", "0"]),
    "seed below 0": ([*TUNE, "--seed", "-1"], ["seed", "-1"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_leaves_nothing(case, quick, tmp_path, capsys):
    arguments, needles = BAD[case]
    data = ["--data", str(tmp_path)] if arguments[0] == "demos" else []
    out = tmp_path / "out"
    where = [] if arguments[0] == "judge" else ["--out", str(out)]
    assert cli.main(["learn", *arguments, *data, *where]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("astro-jax: ") and all(needle in line for needle in needles), line
    assert not out.exists()


@pytest.mark.parametrize("what", ["demos", "tune", "descend", "judge"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_driven(
    what, quick, tmp_path, monkeypatch, capsys
):
    begun = []
    for name in ("learn_demos", "learn_tune", "learn_descend", "judge_params"):
        monkeypatch.setattr(tuning, name, lambda *given: begun.append(given))
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "drives").mkdir()
    write_drive(tmp_path / "drives" / "one.npz", some_drive())
    (tmp_path / "p.yaml").write_text("params:\n  patience: 6.0\n")
    below = tmp_path / "taken" / "below"
    given, field = {
        "demos": (["--drives", str(tmp_path / "drives"), "--out", str(below)], "out"),
        "tune": (["--suite", "crossing", "--out", str(below)], "out"),
        "descend": (["--suite", "crossing", "--out", str(below)], "out"),
        "judge": ([str(tmp_path / "p.yaml"), "--json", str(below / "report.json")], "json"),
    }[what]
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["learn", what, *given]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"astro-jax: {field} is {below}; expected a folder that can be written")
    assert not begun and sorted(tmp_path.rglob("*")) == before


def test_a_record_of_something_else_is_refused(quick, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    np.savez(out / "record.npz", x=np.zeros(3))
    before = (out / "record.npz").read_bytes()
    assert cli.main(["learn", *TUNE, "--generations", "1", "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "manifest" in line and (out / "record.npz").read_bytes() == before
