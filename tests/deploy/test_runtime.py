"""An artifact answers as what it was made of, in a process that never sees the source."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax import navigator
from astro_jax.cli import main
from astro_jax.deploy import cache
from astro_jax.deploy.arrays import flat, form_of, nested
from astro_jax.deploy.artifact import read_artifact, write_artifact
from astro_jax.deploy.black_box import BlackBox, recorded
from astro_jax.deploy.check import check_artifact, differences
from astro_jax.deploy.engine import xla_engine
from astro_jax.deploy.functions import functions
from astro_jax.deploy.replay import read_log_file, replay
from astro_jax.deploy.runtime import Runtime
from astro_jax.deploy.stablehlo import exported, loaded
from astro_jax.errors import InputError, ShapeError
from astro_jax.reactive.senses import Mode
from astro_jax.types import Grid, RouteField, SmoothGrid, Status
from tests.deploy.made_up import array
from tests.deploy.made_up_calls import files_of
from tests.deploy.small import HOUSE, SMALL, SPEED, seen, straight_on

pytestmark = pytest.mark.usefixtures("compiled_quickly")

FREE = Grid(values=array(np.full((60, 60), -1.9)), origin=array(0, 0), resolution=array(0.05))


@pytest.fixture(scope="module")
def file(tmp_path_factory, compiled_quickly):
    folder = tmp_path_factory.mktemp("deploy")
    (folder / "robot.yaml").write_text("sensor: {beams: 40}\n")
    (folder / "planner.yaml").write_text("config: {map_cells: 40, people: 2}\n")
    command = ["export", "--out", str(folder / "small.astro"), "--house", *map(str, HOUSE)]
    for name in ("robot", "planner"):
        command += [f"--{name}", str(folder / f"{name}.yaml")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(navigator, "plan", straight_on)
        assert main(command) == 0
    return folder / "small.astro"


@pytest.fixture(scope="module")
def artifact(file):
    return read_artifact(file)


@pytest.fixture(scope="module")
def engine(artifact):
    return xla_engine(artifact)


def test_it_holds_what_was_asked_for_and_no_trace_of_where(file, artifact):
    assert artifact.settings == SMALL and artifact.manifest.house == HOUSE
    assert all(
        str(Path(__file__).parents[2]).encode() not in part for part in artifact.parts.values()
    )
    assert file.stat().st_size < 2 * 2**20


def test_it_answers_as_when_it_was_made(artifact, engine):
    answers = check_artifact(artifact, engine, runs=2)
    assert [answer.function for answer in answers] == ["start", "think", "act"]
    # the same compiler on the same machine
    assert max(answer.worst for answer in answers) == 0.0


def test_it_answers_as_the_package(artifact):
    """Every array under its own name: those of one shape could be mixed up."""
    arrays, outputs = artifact.golden("act")
    robot, config = SMALL.robot, SMALL.config
    given = nested(functions(SMALL, HOUSE)["act"].inputs, arrays)
    act = jax.jit(lambda *inputs: navigator.act(robot, config, *inputs))
    names = ("latency", "state", "tick", "scan", "odometry", "orders", "elapsed")
    state, verdict = act(*(getattr(given, name) for name in names))
    found = {**flat(state, "state"), **flat(verdict, "verdict")}
    assert found.keys() == outputs.keys()
    for name, value in outputs.items():
        assert np.max(differences(found[name], value), initial=0.0) <= 1e-5, name
    # enough is different from one another for that to tell
    assert len({value.tobytes() for value in outputs.values()}) > 50


def test_the_golden_cycle_is_of_a_robot_under_way(artifact):
    inputs, outputs = artifact.golden("think")
    assert outputs["state.next_plan.status"] == Status.OK
    assert outputs["state.tracks.valid"].tolist() == [True, False]
    assert inputs["snapshot.odometry.pose_map"][0] > 1.0
    # the weights were handed over: the way has .. s to go at the centre of the local map
    assert outputs["report.best_cost"] == pytest.approx(4.0 * 4.96, abs=0.5)
    _, verdict = artifact.golden("act")
    assert verdict["verdict.twist"] == pytest.approx([SPEED, 0.0], abs=1e-4)


def test_another_answer_is_found(artifact, engine, tmp_path):
    _, outputs = artifact.golden("act")
    for name, change in (("verdict.twist", 0.01), ("verdict.mode", 1), ("state.sent", np.nan)):
        wrong = {**outputs, name: (outputs[name] + change).astype(outputs[name].dtype)}
        form = artifact.manifest.functions["act"].outputs
        data = b"".join(np.asarray(wrong[key], kind.dtype).tobytes() for key, kind in form.items())
        parts = {**artifact.parts, "golden/act.outputs": data}
        path = tmp_path / "wrong.astro"
        write_artifact(path, artifact.manifest, parts)
        with pytest.raises(InputError, match=f"golden cycle, act, {name} is off by"):
            check_artifact(read_artifact(path), engine, runs=1)


def test_a_robot_waits_for_a_goal_and_then_drives(artifact, engine):
    robot = Runtime(artifact, engine)
    pose = (1.5, 1.5, 0.0)
    with pytest.raises(InputError, match="start first"):
        robot.think({}, seen(pose), None)
    state = robot.start(FREE, np.array(pose))
    table = array(np.zeros((60, 60, 3)))
    grid = SmoothGrid(table=table, origin=array(0, 0), resolution=array(0.05))
    goal = RouteField(cost_to_go=grid, goal_map=array(2.5, 1.5, 0.0))
    now, verdict = seen(pose), {"twist": np.zeros(2)}
    for way, status, speed in ((None, Status.NO_GOAL, 0.0), (goal, Status.OK, SPEED)):
        for _ in range(8):
            pose = (pose[0] + 0.1 * float(verdict["twist"][0]), *pose[1:])
            now = seen(pose, verdict["twist"])
            state, report = robot.think(state, now, way)
            assert report["finite_candidates"] == 1
            for tick in range(5):
                near = dataclasses.replace(
                    now.scan, ranges=np.full(40, 5.0 - 0.01 * tick, np.float32)
                )
                state, verdict = robot.act(state, tick, near, now.odometry)
        assert int(state["next_plan.status"]) == status
        assert verdict["twist"][0] == pytest.approx(speed, abs=0.02)
    _, verdict = robot.act(state, 0, now.scan, now.odometry, stop=True)
    assert verdict["mode"] == Mode.E_STOPPED


def test_its_black_box_replays_bit_by_bit(artifact, engine, tmp_path):
    with BlackBox(tmp_path, artifact, engine.name) as box:
        robot = Runtime(artifact, recorded(engine, box))
        state, now = robot.start(FREE, np.array((1.5, 1.5, 0.0))), seen((1.5, 1.5, 0.0))
        for _ in range(2):
            state, _ = robot.think(state, now, None)
            for tick in range(2):
                state, _ = robot.act(state, tick, now.scan, now.odometry)
    (file,) = files_of(tmp_path)
    log = read_log_file(file)
    replayed = replay(log, artifact, engine)
    assert replayed.calls == {"start": 1, "think": 2, "act": 4} and replayed.difference is None
    # the field of the way is told once, although there is none
    sizes = [len(message.body) for message in log.messages]
    assert sizes[1] > 12 * 80 * 100 and max(sizes[2:]) < 12_000


def test_messages_of_another_robot_and_houses_without_end_are_refused(artifact, engine):
    robot = Runtime(artifact, engine)
    state = robot.start(FREE, np.zeros(3))
    now = seen((0.0, 0.0, 0.0))
    other = dataclasses.replace(now.scan, ranges=np.zeros(41, np.float32))
    with pytest.raises(ShapeError, match=r"scan\.ranges is float32\[41\]; expected f32\[40\]"):
        robot.act(state, 0, other, now.odometry)
    with pytest.raises(InputError, match="larger --house"):
        robot.start(dataclasses.replace(FREE, values=np.zeros((81, 10), np.float32)), np.zeros(3))
    with pytest.raises(InputError, match="think too"):
        Runtime(artifact, dataclasses.replace(engine, calls={"start": engine.calls["start"]}))
    with pytest.raises(InputError, match="pose_map"):
        robot.start(FREE, np.array([np.nan, 0.0, 0.0]))


ELSEWHERE = """
import sys
from pathlib import Path
from astro_jax.deploy.load import load
robot = load(Path(sys.argv[1]))
from astro_jax.deploy.artifact import read_artifact
inputs, outputs = read_artifact(Path(sys.argv[1])).golden("think")
found = robot.engine.calls["think"](inputs)
print(abs(found["state.next_plan.commands"] - outputs["state.next_plan.commands"]).max())
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("astro_jax", "optax")))
"""


def test_a_robot_imports_no_planner_no_simulator_and_no_optax(file):
    folder = getattr(jax.config, "jax_compilation_cache_dir", None)
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(file)],
        env={**os.environ, **({"JAX_COMPILATION_CACHE_DIR": folder} if folder else {})},
        capture_output=True,
        text=True,
        check=True,
    )
    off, modules = run.stdout.splitlines()
    assert float(off) == 0.0
    rooms = {name.split(".")[1] for name in modules.split() if name.count(".")}
    assert rooms <= {"types", "config", "errors", "strict_yaml", "geometry", "world", "deploy"}
    assert "optax" not in modules and "astro_jax.deploy.functions" not in modules.split()


def test_the_command_line_checks_artifacts(file, tmp_path, monkeypatch, capsys):
    used = []
    monkeypatch.setattr(cache, "use_cache", used.append)
    command = ["artifact", "check", str(file), "--engine", "cpu", "--runs", "1", "--cache"]
    assert main([*command, str(tmp_path / "cache")]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("start", "think", "act", "sound"))
    assert used == [tmp_path / "cache" / cache.machine()]

    (tmp_path / "cache").chmod(0o777)
    assert main([*command, str(tmp_path / "cache")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cache" in line and "others can write" in line

    damaged = tmp_path / "damaged.astro"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    assert main(["artifact", "check", str(damaged)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "damaged" in line


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["--house", "10", "10"], "house is [10, 10]"),
        (["--house", "100", "99999"], "99999"),
        (["--platform", "cuda"], "platform"),
        (["--robot", "no.yaml"], "no.yaml"),
    ],
)
def test_the_command_line_refuses_what_it_cannot_export(arguments, needle, tmp_path, capsys):
    out = tmp_path / "a.astro"
    assert main(["export", "--out", str(out), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert needle in line and not out.exists()


def test_gpu_code_is_made_without_a_gpu(file):
    """For another platform the same functions, nothing of them is left to be traced."""
    made = functions(SMALL, HOUSE)["start"]
    form = form_of(jax.eval_shape(flat, made.inputs))
    code, again = (bytes(exported(made.call, form, "cuda").serialize()) for _ in range(2))
    assert code == again
    module = loaded(code, "it")
    assert module.platforms == ("cuda",)
    text = module.mlir_module()
    assert "custom_call" not in text and json.dumps(__file__)[1:-1] not in text
    assert jnp.float32 == module.in_avals[0].dtype
