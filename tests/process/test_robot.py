"""One robot on the wire, and everything that may happen to its processes while it drives."""

import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from astro_jax import navigator
from astro_jax.cli import main
from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.engine import xla_engine
from astro_jax.deploy.export import export_artifact
from astro_jax.deploy.replay import call_at, read_log_file, replay
from astro_jax.process.folder import folder_of
from astro_jax.process.mailbox import Letter, Mailbox
from astro_jax.process.split import Layouts, layouts
from astro_jax.reactive.senses import Mode
from astro_jax.viz.decided import decision_figure
from astro_jax.wire import told
from astro_jax.wire.cdr import encoded
from astro_jax.wire.loopback import Loopback
from astro_jax.wire.sensed import clock_offset
from astro_jax.wire.topics import CANCEL, E_STOP, GOAL, ODOMETRY, REARM, SCAN
from tests.deploy.small import HOUSE, SMALL, straight_on
from tests.process.peer import Peer

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CELL = 0.4
"""m: a hall of 40 x 32 m."""
STOP_TICKS = 3
"""60 ms: within so many ticks of its death a planner is not followed any more."""
PATIENCE, COMPILED = 60.0, 240.0
"""s; of a machine that does much else."""


@dataclasses.dataclass(kw_only=True)
class Robot:
    process: subprocess.Popen
    folder: Path
    log: Path
    peer: Peer
    wire: Loopback
    kinds: Layouts
    errors: Path

    def letter(self) -> Letter:
        found = Mailbox(self.folder / "gate.box", self.kinds.gate).read()
        assert found is not None, self.errors.read_text()
        return found

    @property
    def mode(self) -> Mode:
        return Mode(self.letter().numbers["mode"])

    def wait(self, what, seconds=PATIENCE):
        until = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < until, self.errors.read_text()
            time.sleep(0.005)

    def drives(self) -> bool:
        numbers = self.letter().numbers
        return numbers["mode"] == Mode.RUNNING and numbers["twist_v"] > 200_000

    def planner(self) -> int:
        """Its process: the child of the gate's that has the role."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return next(
            int(pid)
            for pid in children.split()
            if b"planner" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory, compiled_quickly) -> Artifact:
    path = tmp_path_factory.mktemp("artifact") / "small.astro"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(navigator, "plan", straight_on)
        export_artifact(path, SMALL, house=HOUSE)
    return read_artifact(path)


@pytest.fixture(scope="module")
def command(artifact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    pixels = np.full(HOUSE, 254, np.uint8)
    pixels[[0, -1]] = pixels[:, [0, -1]] = 0
    rows, columns = HOUSE
    (folder / "home.pgm").write_bytes(b"P5 %d %d 255\n" % (columns, rows) + pixels.tobytes())
    (folder / "home.yaml").write_text(
        f"image: home.pgm\nresolution: {CELL}\norigin: [0, 0, 0]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.25\n"
    )
    name = f"test-{os.getpid()}"
    arguments = ["--artifact", artifact.where, "--map", str(folder / "home.yaml")]
    kept = getattr(jax.config, "jax_compilation_cache_dir", None)
    cache = f"{kept}_of_robots" if kept else str(folder / "cache")
    return [*arguments, "--name", name, "--cache", cache], name


@pytest.fixture(scope="module")
def robot(artifact, command, tmp_path_factory):
    arguments, name = command
    out = tmp_path_factory.mktemp("log")
    folder, errors = folder_of(name), out / "errors"
    given = ["--goal", "35", "12", "0", "--listen", "--log", str(out / "log"), *arguments]
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "astro_jax.cli", "robot", *given],
            stderr=stderr,
        )
    wire = Loopback(folder / "wire")
    peer = Peer(folder, SMALL.robot, (2.0, 12.0, 0.0))
    robot = Robot(
        process=process,
        folder=folder,
        log=out / "log",
        peer=peer,
        wire=wire,
        kinds=layouts(artifact),
        errors=errors,
    )
    try:
        letters = folder / "gate.box"
        robot.wait(
            lambda: letters.exists() and Mailbox(letters, robot.kinds.gate).count > 0, COMPILED
        )
        robot.wait(robot.drives, COMPILED)
        yield robot
    finally:
        process.kill()
        process.wait()
        peer.close()
        wire.close()
        shutil.rmtree(folder)


def test_a_planner_that_is_stopped_stops_the_robot_and_its_old_plan_is_void(robot):
    robot.wait(robot.drives)
    planner = robot.planner()
    os.kill(planner, signal.SIGSTOP)
    count = robot.letter().count
    robot.wait(lambda: robot.mode == Mode.STOPPED)
    assert robot.letter().numbers["since"] <= count + STOP_TICKS
    robot.wait(lambda: robot.letter().numbers["twist_v"] == 0)
    plans = Mailbox(robot.folder / "planner.box", robot.kinds.planner).count
    os.kill(planner, signal.SIGCONT)
    robot.wait(robot.drives)
    # the plan that it was making was of a world that is gone: it takes others to get going
    assert Mailbox(robot.folder / "planner.box", robot.kinds.planner).count >= plans + 2


def test_a_planner_that_is_killed_stops_the_robot_and_another_takes_its_place(robot):
    robot.wait(robot.drives)
    planner = robot.planner()
    os.kill(planner, signal.SIGKILL)
    count = robot.letter().count
    robot.wait(lambda: robot.mode == Mode.STOPPED)
    assert robot.letter().numbers["since"] <= count + STOP_TICKS
    robot.wait(robot.drives)
    assert robot.planner() != planner


def test_nonsense_on_the_wire_is_counted_and_nothing_else(robot):
    robot.wait(robot.drives)
    scan = encoded(SCAN.type, {"ranges": np.zeros(5)})
    box = robot.wire._sender
    mailboxes = [
        str(path) for topic in (SCAN, ODOMETRY) for path in robot.wire._place(topic).glob("*.sock")
    ]
    assert len(mailboxes) == 4  # gate and planner, two each
    count = robot.letter().count
    # the newest scan counts: until it has been looked at the base says nothing
    with robot.peer.speaks:
        for data in (b"", b"?" * 50, b"aj01" + bytes(8) + scan[:30], b"aj01" + bytes(8) + scan):
            for mailbox in mailboxes:
                box.sendto(data, mailbox)
        robot.wait(lambda: robot.letter().count > count + 3)
    robot.wait(lambda: robot.letter().count > count + 20)
    robot.wait(robot.drives)


def test_of_a_flood_of_goals_the_last_one_counts(robot):
    way = Mailbox(robot.folder / "way.box", robot.kinds.way)
    now, offset = time.monotonic_ns(), clock_offset()
    sent = robot.wire.counts.get("unsent", 0)
    for k in range(500):
        goal = told.goal("map", np.array([30.0 + k % 7, 12.0, 0.0]), now, offset)
        robot.wire.publish(GOAL, goal)
        if k % 100 == 0:
            robot.wire.publish(GOAL, told.goal("odom", np.zeros(3), now, offset))
    last = told.goal("map", np.array([36.0, 11.0, 0.0]), now, offset)

    def taken() -> bool:
        robot.wire.publish(GOAL, last)
        letter = way.read()
        return letter is not None and np.allclose(letter.arrays["field.goal_map"][:2], [36.0, 11.0])

    robot.wait(taken)
    assert robot.wire.counts["unsent"] > sent  # the mailbox is bounded; nobody waited
    assert way.count < 50
    robot.wait(robot.drives)


def test_44_a_cancelled_goal_is_braked_for_and_another_one_driven_to(robot):
    robot.wait(robot.drives)
    way = Mailbox(robot.folder / "way.box", robot.kinds.way)
    letter = way.read()
    assert letter is not None
    goal = letter.arrays["field.goal_map"].astype(float)
    robot.wire.publish(CANCEL, told.button(False))
    robot.wire.publish(CANCEL, told.button(True))
    robot.wait(lambda: robot.letter().numbers["twist_v"] == 0)
    letter = way.read()
    assert robot.mode != Mode.E_STOPPED
    assert letter is not None and not letter.numbers["there"]
    count = robot.letter().count
    robot.wait(lambda: robot.letter().count > count + 50)
    assert robot.letter().numbers["twist_v"] == 0
    robot.wire.publish(GOAL, told.goal("map", goal, time.monotonic_ns(), clock_offset()))
    robot.wait(robot.drives)


def test_the_emergency_stop_is_heard_over_the_wire_and_so_is_its_end(robot):
    robot.wait(robot.drives)
    robot.wire.publish(E_STOP, told.button(True))
    robot.wait(lambda: robot.mode == Mode.E_STOPPED)
    robot.wait(lambda: robot.letter().numbers["twist_v"] == 0)
    # a goal that is told now would be driven to as soon as it is armed: it is refused
    way = Mailbox(robot.folder / "way.box", robot.kinds.way)
    goal = told.goal("map", np.array([31.0, 12.0, 0.0]), time.monotonic_ns(), clock_offset())
    robot.wire.publish(GOAL, goal)
    robot.wire.publish(E_STOP, told.button(False))
    count = robot.letter().count
    robot.wait(lambda: robot.letter().count > count + 50)
    assert robot.mode == Mode.E_STOPPED
    robot.wire.publish(REARM, told.button(True))
    robot.wait(robot.drives)
    letter = way.read()
    assert letter is not None and letter.arrays["field.goal_map"][0] != 31.0


def test_there_is_one_robot_of_a_name(robot, command, capsys):
    assert main(["robot", *command[0]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"process {robot.process.pid}" in line
    robot.wait(robot.drives)


def test_with_a_full_disk_it_drives_on(robot):
    robot.wait(robot.drives)
    pids, none = (robot.process.pid, robot.planner()), (1, resource.RLIM_INFINITY)
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE, none) for pid in pids]
    sizes = sum(file.stat().st_size for file in robot.log.rglob("*.mcap"))
    count = robot.letter().count
    robot.wait(lambda: robot.letter().count > count + 75)
    robot.wait(robot.drives)
    assert sum(file.stat().st_size for file in robot.log.rglob("*.mcap")) <= sizes + 200_000
    for pid, limit in zip(pids, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def test_asked_to_end_it_stands_still_first(robot):
    robot.wait(robot.drives)
    planner, commands = robot.planner(), robot.peer.commands
    robot.process.send_signal(signal.SIGTERM)
    assert robot.process.wait(PATIENCE) == 0
    time.sleep(0.1)
    assert robot.peer.twist.tolist() == [0.0, 0.0] and robot.peer.commands > commands + 10
    assert not Path(f"/proc/{planner}").exists()
    went = json.loads((robot.folder / "stats-gate.json").read_text())
    assert went["deaths"] == {"planner": 1, "route": 0} and not went["disarmed"]
    # of four to each of two mailboxes: the fourth is a scan, if one that contradicts itself
    assert went["wire"]["malformed"] == 7 and went["wire"]["refused rt/scan"] == 1
    assert went["lost records"] > 0
    asked = json.loads((robot.folder / "stats-route.json").read_text())
    assert asked["refused goals"] >= 1 and "emergency stop" in asked["said"]


def test_its_black_boxes_replay_bit_by_bit_and_can_be_drawn(robot, artifact, tmp_path):
    """Whatever has happened to its processes meanwhile; the disk was full for a while."""
    assert robot.process.poll() is not None
    engine = xla_engine(artifact)
    for role in ("gate", "planner"):
        file = min((robot.log / role).glob("*.mcap"))
        log = read_log_file(file)
        replayed = replay(log, artifact, engine)
        assert replayed.difference is None and sum(replayed.calls.values()) > 10
        call = call_at(log, artifact, engine, replayed.seconds)
        path = tmp_path / f"{role}.png"
        decision_figure(artifact.settings.robot, call).savefig(path)
        assert path.stat().st_size > 10_000
