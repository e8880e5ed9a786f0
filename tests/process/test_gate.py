"""A robot whose gate and planner live apart decides as one that is whole."""

import threading
import time

import jax
import numpy as np
import pytest

from astro_jax import navigator
from astro_jax.deploy.artifact import read_artifact
from astro_jax.deploy.engine import Engine, xla_engine
from astro_jax.deploy.export import export_artifact
from astro_jax.deploy.runtime import Runtime
from astro_jax.process import planner_process
from astro_jax.process.beats import SILENT, Beats
from astro_jax.process.buttons import Buttons
from astro_jax.process.folder import WIRE, Start
from astro_jax.process.gate import LATE, Gate
from astro_jax.process.mailbox import Letter, Mailbox
from astro_jax.process.split import BRIEFED, DRIVEN, GATE_NUMBERS, layouts, part
from astro_jax.reactive.senses import Mode
from astro_jax.types import Grid, Reason, RouteField, SmoothGrid
from astro_jax.wire import told
from astro_jax.wire.topics import E_STOP, REARM
from astro_jax.world.inbox import SECOND
from tests.deploy.made_up import array
from tests.deploy.small import HOUSE, SMALL, seen, straight_on

pytestmark = pytest.mark.usefixtures("compiled_quickly")

FREE = Grid(values=array(np.full((60, 60), -1.9)), origin=array(0, 0), resolution=array(0.05))
WAY = RouteField(
    cost_to_go=SmoothGrid(
        table=array(np.zeros((60, 60, 3))), origin=array(0, 0), resolution=array(0.05)
    ),
    goal_map=array(2.5, 1.5, 0.0),
)
TICK = SECOND // 50


@pytest.fixture(scope="module")
def artifact(tmp_path_factory, compiled_quickly):
    path = tmp_path_factory.mktemp("gate") / "small.astro"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(navigator, "plan", straight_on)
        export_artifact(path, SMALL, house=HOUSE)
    return read_artifact(path)


@pytest.fixture(scope="module")
def runtime(artifact):
    return lambda: Runtime(artifact, xla_engine(artifact))


@pytest.fixture(scope="module")
def two(runtime):
    return runtime(), runtime()


class Base:
    """Goes as it is told."""

    def __init__(self):
        self.pose, self.twist = np.array([1.0, 1.5, 0.0]), np.zeros(2)

    def moves(self, twist):
        self.twist = np.asarray(twist, float)
        self.pose = self.pose + 0.02 * np.array([self.twist[0], 0.0, self.twist[1]])

    def seen(self):
        return seen(self.pose, self.twist, age=0.02)


class Apart:
    """Gate and planner, with nothing in common but letters."""

    def __init__(self, runtime):
        self.gate = Gate(runtime)
        self.runtime, self.letters = runtime, 0
        self.state = runtime.start(FREE, np.array([1.0, 1.5, 0.0]))

    def thinks(self, base, first, way: RouteField | None = WAY):
        driven = {name: np.array(value) for name, value in self.gate.driven.items()}
        self.state, _ = self.runtime.think({**self.state, **driven}, base.seen(), way)
        self.letters += 1
        arrays = {name: np.array(value) for name, value in part(BRIEFED, self.state).items()}
        numbers = {"tick": first, "halted": int(way is None)}
        return Letter(count=self.letters, numbers=numbers, arrays=arrays)

    def tick(self, base, number, **buttons):
        now = base.seen()
        return self.gate.tick(number, number * TICK, now.scan, now.odometry, **buttons)


def test_apart_it_decides_as_a_whole_one_bit_by_bit(two):
    whole, apart = two[0], Apart(two[1])
    state = whole.start(FREE, np.array([1.0, 1.5, 0.0]))
    state["plan_age"] = np.float32(np.inf)
    bases, number, fastest = (Base(), Base()), 0, 0.0
    for cycle in range(9):
        way = WAY if cycle < 7 else None
        state, _ = whole.think(state, bases[0].seen(), way)
        apart.gate.hear(apart.thinks(bases[1], number, way))
        for tick in range(5):
            now, elapsed = bases[0].seen(), 0.02 if number else 0.0
            state, verdict = whole.act(state, tick, now.scan, now.odometry, elapsed=elapsed)
            other = apart.tick(bases[1], number)
            for name, value in verdict.items():
                assert value.tobytes() == other[name].tobytes(), (number, name)
            for base, word in zip(bases, (verdict, other), strict=True):
                base.moves(word["twist"])
            fastest = max(fastest, float(verdict["twist"][0]))
            number += 1
    # it got under way, and without a goal it stopped
    assert fastest > 0.2 and bases[0].twist[0] < fastest
    assert apart.gate.missed == 0 and apart.gate.skipped == 0
    # and every array of the state has one owner
    assert not part(DRIVEN, part(BRIEFED, state))


def drive_on(runtime, lateness):
    """Cycles whose plans come ``lateness`` ticks after their own; the gate, and what it said."""
    apart, base, waiting, said = Apart(runtime), Base(), {}, []
    for number in range(60):
        if number in waiting:
            apart.gate.hear(waiting.pop(number))
        said.append(apart.tick(base, number))
        base.moves(said[-1]["twist"])
        if number % 5 == 0:
            letter = apart.thinks(base, number + 1)
            waiting[number + 1 + int(letter.arrays["allowance"]) + lateness] = letter
    return apart, base, said


def test_a_plan_that_is_a_little_late_counts_and_one_that_is_later_does_not(two):
    apart, base, _ = drive_on(two[0], LATE)
    assert apart.gate.missed == 0 and base.twist[0] == pytest.approx(0.3, abs=0.01)
    apart, base, said = drive_on(two[0], LATE + 1)
    assert apart.gate.missed > 5 and base.twist[0] == 0.0
    assert {int(word["reason"]) for word in said[-20:]} == {Reason.BAD_PLAN}


def test_without_a_planner_it_brakes_and_a_plan_from_before_changes_nothing(two):
    apart, base, _ = drive_on(two[0], 0)
    assert base.twist[0] > 0.2
    old, fast = apart.thinks(base, 60), base.twist[0]
    speeds = []
    for number in range(60, 120):
        if number == 62:  # what it was at as it died
            apart.gate.hear(old)
        if number >= 61:
            apart.gate.void()
        word = apart.tick(base, number)
        base.moves(word["twist"])
        speeds.append(base.twist[0])
        assert (word["mode"] == Mode.STOPPED) == (number >= 61)
    brakes = SMALL.robot.braking * 0.02 * (1 + 1e-4)
    steps = np.diff([fast, *speeds])
    assert steps[1] < 0.0 and np.all(steps <= 1e-6) and np.all(steps >= -brakes)
    assert speeds[-1] == 0.0


def test_a_gate_that_slept_stops(two):
    apart, base, _ = drive_on(two[0], 0)
    # an age of 1.5 s of which the gate knows nothing but the clock
    word = apart.tick(base, 60 + 75)
    assert word["mode"] == Mode.STOPPED and word["reason"] == Reason.BAD_CLOCK
    assert apart.gate.skipped == 75


def test_the_emergency_stop_holds_until_it_is_let_go_and_re_armed(two):
    apart, base, _ = drive_on(two[0], 0)
    buttons, fast, modes, speeds = Buttons(), base.twist[0], [], []
    pressed = {60: (E_STOP, True), 120: (REARM, True), 130: (E_STOP, False), 160: (REARM, True)}
    waiting = {}
    for number in range(60, 260):
        if number in waiting:
            apart.gate.hear(waiting.pop(number))
        if number in pressed:
            topic, down = pressed[number]
            buttons.hear(topic, told.button(down))
        word = apart.tick(base, number, stop=buttons.stop, rearm=buttons.rearmed())
        base.moves(word["twist"])
        modes.append(int(word["mode"]))
        speeds.append(base.twist[0])
        if number % 5 == 0:
            letter = apart.thinks(base, number + 1)
            waiting[number + 1 + int(letter.arrays["allowance"])] = letter
    # also while it is pressed: to re-arm is no way out
    assert set(modes[:100]) == {Mode.E_STOPPED} and Mode.E_STOPPED not in modes[105:]
    assert fast > 0.2 and np.all(np.diff([fast, *speeds[:60]]) <= 1e-6)
    assert not np.any(speeds[50:100]) and speeds[-1] > 0.2


# ---- an engine that breaks, as a GPU that is lost ---------------------------------------

LOST = jax.errors.JaxRuntimeError("INTERNAL: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure")
GOOD = 3
"""Thoughts before it is lost; the first one warms it up."""


class AskedOfNobody:
    """Signals are the test's own."""

    to_end = False


@pytest.fixture
def start(artifact, tmp_path, monkeypatch):
    """A robot of which only the planner is there."""
    (tmp_path / WIRE).mkdir()
    rows, columns = HOUSE
    floor = b"\xfe" * rows * columns
    (tmp_path / "home.pgm").write_bytes(b"P5 %d %d 255\n" % (columns, rows) + floor)
    (tmp_path / "home.yaml").write_text(
        "image: home.pgm\nresolution: 0.1\norigin: [0, 0, 0]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.25\n"
    )
    for name in ("few_pauses", "give_back"):
        monkeypatch.setattr(planner_process, name, lambda: None)
    monkeypatch.setattr(planner_process, "come_first", lambda role: "in no hurry")
    monkeypatch.setattr(planner_process, "Asked", AskedOfNobody)
    monkeypatch.setattr(planner_process, "snapshot", lambda inbox, due: seen((1.0, 1.5, 0.0)))
    return Start(
        name="test",
        artifact=artifact.where,
        engine="cuda",
        cache=None,
        map=str(tmp_path / "home.yaml"),
        wire="loopback",
        domain=0,
        interface="lo",
        log=None,
        goal=None,
        listen=False,
    )


def test_an_engine_that_breaks_ends_the_planner_which_is_not_heard_any_more(
    artifact, start, tmp_path, monkeypatch
):
    """No plan of that cycle, no sign of life: for the gate the same as one that was killed."""
    kinds, thoughts = layouts(artifact), []

    def think(given):
        thoughts.append(given)
        if len(thoughts) > GOOD:
            raise LOST
        return artifact.golden("think")[1]

    engine = Engine(
        name="one that breaks",
        calls={"start": lambda given: artifact.golden("start")[1], "think": think},
        keep=dict,
    )
    monkeypatch.setattr(planner_process, "engine_for", lambda *given: engine)
    letters = Mailbox(tmp_path / "gate.box", kinds.gate, writes=True)
    outputs = {k.removeprefix("state."): v for k, v in artifact.golden("act")[1].items()}
    over = threading.Event()

    def gate():
        tick = 0
        while not over.wait(0.02):
            tick += 1
            numbers = {**dict.fromkeys(GATE_NUMBERS, 0), "tick": tick, "due": time.monotonic_ns()}
            letters.write(numbers, part(DRIVEN, outputs))

    ticking = threading.Thread(target=gate)
    ticking.start()
    try:
        with pytest.raises(jax.errors.JaxRuntimeError) as raised:
            planner_process.run_planner(tmp_path, start)
    finally:
        over.set()
        ticking.join()
    assert raised.value is LOST and len(thoughts) == GOOD + 1
    assert Mailbox(tmp_path / "planner.box", kinds.planner).count == GOOD - 1
    beats = Beats(tmp_path / "beats.box")
    assert beats.silence("planner", time.monotonic_ns()) < 3600.0  # it was heard
    time.sleep(1.5 * SILENT)
    assert beats.silence("planner", time.monotonic_ns()) > SILENT
