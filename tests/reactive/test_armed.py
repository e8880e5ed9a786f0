"""The gate on a robot: frozen shapes, ages by one clock, nothing compiled, nothing leaked."""

import dataclasses
import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.bench.clock import resident_mb
from astro_jax.bench.gate import Corridor, compilations
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig
from astro_jax.errors import InputError, ShapeError
from astro_jax.reactive import armed
from astro_jax.reactive.armed import KEPT, ArmedGate, arm
from astro_jax.reactive.briefing import Briefing
from astro_jax.reactive.forms import check_form, form_of
from astro_jax.reactive.modes import WELL
from astro_jax.reactive.program import compiled
from astro_jax.reactive.record import transitions
from astro_jax.reactive.senses import Mode, Orders
from astro_jax.reactive.watch import MAX_MAP_AGE, MAX_PLAN_AGE, MAX_SCAN_AGE, MAX_STATE_AGE
from astro_jax.types import Reason
from astro_jax.world.inbox import SECOND, empty_inbox, receive

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig(people=4)
PERIOD = round(CONFIG.gate_period * SECOND)
ALL = frozenset({"scan", "odometry", "briefing"})
MONTH = 30 * 24 * 3600 * SECOND


@pytest.fixture(scope="module")
def program():
    return compiled(ROBOT, CONFIG)


class Drive:
    """A robot in a corridor by a clock that the test sets."""

    def __init__(self, program, start=5 * SECOND, seed=0):
        self.now = start
        self.gate = ArmedGate(program, clock=lambda: self.now)
        self.corridor = Corridor(ROBOT, CONFIG, 4, np.random.default_rng(seed))
        self.rows, self.count = [], 0

    def deliver(self, sources: Collection[str] = ALL):
        corridor = self.corridor
        if "briefing" in sources and self.count % corridor.ticks_of_a_cycle == 0:
            self.gate.hear(corridor.briefing(self.now))
        odometry, scan = corridor.messages(self.now)
        for name, message in (("odometry", odometry), ("scan", scan)):
            if name in sources:
                corridor.inbox = receive(corridor.inbox, message, self.now)

    def tick(self, orders=None):
        verdict = self.gate.tick(self.corridor.inbox, orders)
        self.corridor.advance(float(verdict.twist[0]))
        self.rows.append((self.now / SECOND, verdict))
        self.now += PERIOD
        self.count += 1
        return verdict

    def run(self, ticks, sources: Collection[str] = ALL, orders=None):
        found = []
        for _ in range(ticks):
            self.deliver(sources)
            found.append(self.tick(orders))
        return found


def modes(verdicts):
    return [Mode(int(verdict.mode)) for verdict in verdicts]


def speed(verdict):
    return float(verdict.twist[0])


# ---- start-up, recompiles ------------------------------------------------------------


def test_it_begins_stopped_and_drives_once_all_has_been_well(program):
    found = Drive(program).run(100)
    assert speed(found[0]) == 0.0 and int(found[0].reason) == Reason.BAD_CLOCK
    well = next(k for k, verdict in enumerate(found) if int(verdict.reason) == Reason.WAITING)
    first = next(k for k, mode in enumerate(modes(found)) if mode != Mode.STOPPED)
    assert first == well + round(WELL / CONFIG.gate_period) - 1
    assert all(speed(verdict) == 0.0 for verdict in found[:first])
    assert speed(found[-1]) == pytest.approx(0.5, abs=1e-3)


def test_without_any_message_it_never_moves(program):
    found = Drive(program).run(60, sources=())
    assert set(modes(found)) == {Mode.STOPPED}
    assert all(np.all(verdict.twist == 0.0) for verdict in found)


def test_contradictory_settings_are_refused_before_anything_is_compiled():
    with compilations() as compiled_meanwhile, pytest.raises(InputError, match="gate_period"):
        arm(ROBOT, dataclasses.replace(CONFIG, gate_period=0.03))
    assert compiled_meanwhile == []


def test_a_gate_that_was_just_armed_is_at_rest_by_the_hosts_clock(program, monkeypatch):
    monkeypatch.setattr(armed, "compiled", lambda robot, config: program)
    gate = arm(ROBOT, CONFIG)
    verdict = gate.tick(Drive(program).corridor.inbox)
    assert int(verdict.mode) == Mode.STOPPED and not np.any(verdict.twist)
    assert gate._clock is time.monotonic_ns


def test_62_nothing_is_compiled_while_armed(program):
    drive = Drive(program)
    drive.run(20)  # the corridor's own arithmetic
    with compilations() as compiled_meanwhile:
        drive.run(200)
        drive.run(20, sources={"odometry"})
        drive.run(20, orders=Orders(stop=True))
        drive.run(20, orders=Orders(stop=jnp.asarray(False), rearm=jnp.asarray(True)))
    assert compiled_meanwhile == []
    with compilations() as compiled_meanwhile:
        jax.jit(lambda x: x * 3.25)(jnp.arange(7.0)).block_until_ready()
    assert compiled_meanwhile


# ---- frozen shapes -------------------------------------------------------------------


def put(tree: Any, path: str, value: Any) -> Any:
    name, _, rest = path.partition(".")
    inner = put(getattr(tree, name), rest, value) if rest else value(getattr(tree, name))
    return dataclasses.replace(tree, **{name: inner})


MISSHAPED = {
    "one person more": (
        "tracks.xy_map",
        lambda x: jnp.zeros((5, 2)),
        "float32[5, 2]",
        "float32[4, 2]",
    ),
    "shorter plan": ("plan.commands", lambda x: x[:-1], "float32[150, 2]", "float32[151, 2]"),
    "double precision": (
        "clearance.table",
        lambda x: np.asarray(x, np.float64),
        "float64[120, 120, 4]",
        "float32[120, 120, 4]",
    ),
    "whole numbers": (
        "pace",
        lambda x: np.asarray(x, np.int32),
        "int32[2]",
        "float32[2]",
    ),
    "a Python number": ("actuation.delay", lambda x: 0.18, "float[]", "float32[]"),
    "nothing": ("plan.status", lambda x: None, "nothing", "int32[]"),
}


def test_62_the_same_arrays_in_another_container_are_refused():
    rows = [np.zeros(3, np.float32), np.zeros(2, bool)]
    check_form(rows, form_of(rows))
    with pytest.raises(ShapeError, match="structure"):
        check_form(tuple(rows), form_of(rows))


@pytest.mark.parametrize("case", MISSHAPED)
def test_62_another_shape_or_type_is_named_and_changes_nothing(program, case):
    path, change, shown, expected = MISSHAPED[case]
    drive = Drive(program)
    drive.run(50)
    before, held = drive.gate.state, drive.gate._briefing
    wrong = drive.corridor.briefing(drive.now)
    wrong = dataclasses.replace(wrong, contents=put(wrong.contents, path, change))
    with pytest.raises(ShapeError) as caught:
        drive.gate.hear(wrong)
    assert (caught.value.field, caught.value.value) == (path, shown)
    assert expected in caught.value.expected
    assert drive.gate.state is before and drive.gate._briefing is held
    # the last good one goes on, until it is too old
    found = drive.run(30, sources=ALL - {"briefing"})
    assert modes(found)[0] == Mode.RUNNING and modes(found)[-1] == Mode.STOPPED


def test_62_the_inbox_of_another_sensor_is_refused(program):
    drive = Drive(program)
    drive.run(50)
    before = drive.gate.state
    sensor = dataclasses.replace(ROBOT.sensor, beams=88)
    other = empty_inbox(dataclasses.replace(ROBOT, sensor=sensor))
    with pytest.raises(ShapeError, match=r"scan\.ranges is float32\[88\].*float32\[270\]"):
        drive.gate.tick(other)
    assert drive.gate.state is before
    assert modes(drive.run(1)) == [Mode.RUNNING]


def test_what_was_handed_over_is_a_copy(program):
    """Whoever sent a briefing may write over it; what is in it would stop the robot."""

    def ten_ticks(scribble_before, scribble_after):
        drive = Drive(program)
        drive.run(100)
        briefing = drive.corridor.briefing(drive.now)
        table = np.array(briefing.contents.clearance.table)
        if scribble_before:
            table[...] = -1.0
        contents = put(briefing.contents, "clearance.table", lambda _: table)
        drive.gate.hear(dataclasses.replace(briefing, contents=contents))
        if scribble_after:
            table[...] = -1.0
        return [speed(verdict) for verdict in drive.run(10, ALL - {"briefing"})]

    untouched = ten_ticks(False, False)
    assert ten_ticks(False, True) == untouched
    assert ten_ticks(True, False)[-1] < untouched[-1]


# ---- who grows old -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent", "reason", "age", "limit"),
    [
        ("scan", Reason.BAD_SCAN, 0.04, MAX_SCAN_AGE),
        ("odometry", Reason.BAD_STATE, 0.02, MAX_STATE_AGE),
        ("briefing", Reason.BAD_MAP, 0.02, MAX_MAP_AGE),
    ],
)
def test_2_19_30_a_silent_source_stops_the_robot_in_time(program, silent, reason, age, limit):
    drive = Drive(program)
    drive.run(100)
    # the last message came a tick before the first of these
    since = drive.gate._briefing.began if silent == "briefing" else drive.now - PERIOD
    since -= 0 if silent == "briefing" else round(age * SECOND)
    assert silent != "briefing" or drive.count % drive.corridor.ticks_of_a_cycle == 0
    found = drive.run(60, sources=ALL - {silent})
    first = modes(found).index(Mode.STOPPED)
    when = (drive.now - (60 - first) * PERIOD - since) / SECOND
    assert limit - 1e-6 < when <= limit + CONFIG.gate_period + 1e-6
    assert int(found[first].reason) == reason or silent == "odometry"
    speeds = np.array([speed(verdict) for verdict in found])
    assert speeds[first] < speeds[first - 1]
    # whose planner is silent has its last plan's stop in hand
    brakes = ROBOT.wheel_acceleration if silent == "briefing" else ROBOT.braking
    rest = first + int(np.ceil(0.5 / brakes / CONFIG.gate_period)) + 1
    assert np.all(speeds[rest:] == 0.0) and np.all(np.diff(speeds[first:]) <= 0.0)


def test_61_67_a_plan_without_a_successor_ends_in_its_own_stop(program):
    drive = Drive(program)
    drive.run(100)
    contents = drive.gate._briefing.contents
    found = []
    for k in range(50):
        if k % 5 == 0:
            # the planner's host still brings the map up to date; no new plan comes
            began = drive.now - SECOND // 50
            late = Briefing(began=began, starts=drive.now + 10 * SECOND, contents=contents)
            drive.gate.hear(late)
        found += drive.run(1, sources=ALL - {"briefing"})
    first = modes(found).index(Mode.STOPPED)
    assert int(found[first].reason) == Reason.BAD_PLAN
    assert first * CONFIG.gate_period <= MAX_PLAN_AGE + CONFIG.gate_period
    # braking begins with the stop in hand, before the plan is too old
    speeds = np.array([speed(verdict) for verdict in found])
    begins = int(np.argmax(speeds < 0.5 - 1e-3))
    assert begins < first and speeds[-1] == pytest.approx(0.0, abs=1e-5)
    steps = -np.diff(speeds) / CONFIG.gate_period
    assert steps.max() <= ROBOT.wheel_acceleration * 1.01


def test_a_plan_takes_over_when_it_is_due_and_not_before(program):
    drive = Drive(program)
    drive.run(100)
    briefing = drive.corridor.briefing(drive.now)
    due = drive.now + 3 * PERIOD + PERIOD // 2
    # by then the robot is so much farther on
    ahead = np.array([[0.5 * (due - drive.now) / SECOND, 0.0, 0.0]], np.float32)
    slow = put(briefing.contents, "plan.commands", lambda x: 0.98 * x)
    slow = put(slow, "plan.motion.pose_map", lambda x: x + ahead)
    drive.gate.hear(dataclasses.replace(briefing, starts=due, contents=slow))
    found = [speed(verdict) for verdict in drive.run(10, ALL - {"briefing"})]
    assert found[:4] == pytest.approx([0.5] * 4, abs=1e-4)
    assert found[4:8] == pytest.approx([0.49] * 4, abs=1e-4)
    # it is joined where it is by then: half a period in
    phase = float(drive.gate.state.gate.phase)
    assert phase == pytest.approx((5 + 0.5 + 1) * CONFIG.gate_period, abs=2e-3)


def test_14_a_briefing_that_was_overtaken_is_dropped(program):
    drive = Drive(program)
    drive.run(100)
    held = drive.gate._briefing
    older = drive.corridor.briefing(held.began)
    drive.gate.hear(older)
    drive.gate.hear(dataclasses.replace(held))
    assert drive.gate.dropped == 2 and drive.gate._briefing is held


# ---- time ----------------------------------------------------------------------------


def test_15_a_wall_clock_that_is_set_has_no_effect(program, monkeypatch):
    assert arm.__defaults__ == (time.monotonic_ns,)
    plain, stepped = Drive(program), Drive(program)
    plain.run(60)
    steps = iter(range(10**6))
    jumpy = lambda: 1e9 + (-1) ** next(steps) * 86400.0
    monkeypatch.setattr(time, "time", jumpy)
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * jumpy()))
    stepped.run(60)
    assert [row[1].twist.tobytes() for row in plain.rows] == [
        row[1].twist.tobytes() for row in stepped.rows
    ]


def test_17_a_month_of_uptime_changes_no_bit(program):
    young, old = Drive(program, start=5 * SECOND), Drive(program, start=5 * SECOND + MONTH)
    for a, b in zip(young.run(120), old.run(120), strict=True):
        assert a.twist.tobytes() == b.twist.tobytes() and a.mode == b.mode


@pytest.mark.parametrize("pause", [0, -SECOND, 2 * SECOND])
def test_16_a_tick_after_no_time_or_too_long_stops(program, pause):
    drive = Drive(program)
    drive.run(100)
    drive.now += pause - (PERIOD if pause <= 0 else 0)
    verdict = drive.tick()
    assert int(verdict.reason) == Reason.BAD_CLOCK and int(verdict.mode) == Mode.STOPPED
    assert speed(verdict) == pytest.approx(0.5 - ROBOT.braking * CONFIG.gate_period, abs=1e-3)


def test_18_an_answer_that_was_slept_over_is_not_given(program):
    drive = Drive(program)
    drive.run(100)
    readings = iter([drive.now, drive.now + 2 * SECOND])
    drive.gate._clock = lambda: next(readings)
    verdict = drive.tick()
    assert int(verdict.reason) == Reason.BAD_CLOCK and int(verdict.mode) == Mode.STOPPED
    assert speed(verdict) < 0.5


ASLEEP = """
import sys, time, numpy as np
from astro_jax.bench.gate import Corridor
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig
from astro_jax.reactive.armed import arm
from astro_jax.world.inbox import receive
robot, config = DEFAULT_ROBOT, PlannerConfig(people=4)
gate, corridor = arm(robot, config), Corridor(robot, config, 4, np.random.default_rng(0))
for k in range(10**6):
    now = time.monotonic_ns()
    if k % 5 == 0:
        gate.hear(corridor.briefing(now))
    for message in corridor.messages(now):
        corridor.inbox = receive(corridor.inbox, message, time.monotonic_ns())
    verdict = gate.tick(corridor.inbox)
    corridor.advance(float(verdict.twist[0]))
    print(time.monotonic(), int(verdict.mode), int(verdict.reason), verdict.twist[0], flush=True)
    time.sleep(config.gate_period)
"""


def test_18_a_process_that_was_stopped_wakes_up_braking():
    cache = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    environment = os.environ | ({"JAX_COMPILATION_CACHE_DIR": cache} if cache else {})
    command = [sys.executable, "-c", ASLEEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
        rows: list[list[float]] = []

        def follow(enough: Callable[[], bool]) -> None:
            assert child.stdout is not None
            while not enough():
                line = child.stdout.readline()
                assert line, "the process ended"
                rows.append([float(value) for value in line.split()])

        try:
            follow(lambda: len(rows) > 30 and rows[-1][3] > 0.45)
            child.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            child.send_signal(signal.SIGCONT)
            follow(lambda: float(np.max(np.diff(np.array(rows)[:, 0]))) > 1.0)
            awake = len(rows)
            follow(lambda: len(rows) >= awake + 5)
        finally:
            child.kill()
    table = np.array(rows)
    woke = int(np.argmax(np.diff(table[:, 0]))) + 1
    # the row it was writing when it was stopped may still be one from before
    first = woke + int(np.argmax(table[woke:, 1] == Mode.STOPPED))
    assert first - woke <= 1
    assert table[first, 1] == Mode.STOPPED and table[first, 2] == Reason.BAD_CLOCK
    assert table[first, 3] < table[woke - 1, 3]
    assert np.all(np.diff(table[first:, 3]) <= 0.0)


# ---- the record, and what is kept ----------------------------------------------------


def test_every_change_of_mode_is_kept_and_logged(program, caplog):
    drive = Drive(program)
    with caplog.at_level(logging.INFO, logger=armed.__name__):
        drive.run(60)
        drive.run(40, orders=Orders(stop=True))
        drive.run(5)
        drive.run(40, orders=Orders(rearm=True))
        drive.run(30, sources=ALL - {"scan"})
    kept = drive.gate.transitions
    assert [change.after for change in kept] == [
        # the first poses say nothing of where the first scan was taken
        Mode.SLOWED,
        Mode.RUNNING,
        Mode.E_STOPPED,
        Mode.STOPPED,
        Mode.RUNNING,
        Mode.STOPPED,
    ]
    assert [change.reason for change in kept[2:4]] == [Reason.E_STOP, Reason.WAITING]
    assert [record.getMessage() for record in caplog.records] == [str(change) for change in kept]
    assert {record.levelno for record in caplog.records} == {logging.INFO, logging.WARNING}
    # the same as from the columns of a log
    verdicts = [verdict for _, verdict in drive.rows]
    mode, reason, scale, twist = (
        np.stack([getattr(verdict, name) for verdict in verdicts])
        for name in ("mode", "reason", "scale", "twist")
    )
    assert transitions([when for when, _ in drive.rows], mode, reason, scale, twist) == list(kept)


def test_8_the_record_is_bounded(program):
    drive = Drive(program)
    drive.run(30)
    for _ in range(KEPT // 2 + 20):
        drive.tick(Orders(stop=True))
        drive.tick(Orders(rearm=True))
    assert len(drive.gate.transitions) == KEPT
    assert drive.gate.transitions[-1].after == Mode.STOPPED


def grown(program, ticks):
    """(MB, Python objects) more after ``ticks`` than after a tenth of them.

    The memory is that of the quarter in which it grew least, four times: what leaks grows in every
    one of them, while the allocator takes a few pages now and then.
    """
    drive = Drive(program)
    looks = [ticks // 10 + k * (ticks - ticks // 10) // 4 for k in range(5)]
    megabytes, objects = [], []
    for k in range(ticks + 1):
        if k in looks:
            gc.collect()
            megabytes.append(resident_mb())
            objects.append(len(gc.get_objects()))
        if k % 5 == 0:
            drive.deliver()
            drive.rows.clear()
        drive.tick()
    return 4 * np.diff(megabytes).min(), objects[-1] - objects[0]


def test_8_memory_does_not_grow(program):
    megabytes, objects = grown(program, 4_000)
    assert megabytes < 4.0 and objects < 500


@pytest.mark.soak
def test_8_memory_does_not_grow_in_half_an_hour_of_ticks(program):
    megabytes, objects = grown(program, 100_000)
    assert megabytes < 4.0 and objects < 500
