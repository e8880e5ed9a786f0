"""A simulated base with its sensors on the wire, in real time: the robot's peer.      [host]

What it hears are commands, what it says are scans, odometry, people and localisation, as late and
as noisy as the settings have it; a person of the simulator's kind walks about.  The base has the
watchdog that every base needs: without a command for ``COMMAND_DEADLINE`` it brakes.  Its goals are
the two ends of the errand, in turn.
"""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.deploy.settings import Settings
from astro_jax.home import Home
from astro_jax.process.asked import Asked
from astro_jax.process.ears import frames_of
from astro_jax.process.folder import write_stats
from astro_jax.process.histogram import Histogram
from astro_jax.process.rights import GATE, come_first, few_pauses, resident
from astro_jax.sim.detector import detect_people
from astro_jax.sim.episode import start_episode
from astro_jax.sim.messages import as_messages
from astro_jax.sim.observe import SCAN_STEPS, recall
from astro_jax.sim.odometry import PoseErrors, as_believed, localise, reckon
from astro_jax.sim.physics import advance
from astro_jax.sim.sensors import eye_of, take_scan
from astro_jax.sim.state import SimState
from astro_jax.types import Odometry, Snapshot
from astro_jax.wire import told
from astro_jax.wire.sensed import clock_offset
from astro_jax.wire.topics import COMMAND, COMMAND_DEADLINE, GOAL, Wire
from astro_jax.world.inbox import SECOND
from astro_jax.world.messages import DetectionsMessage, LocalisationMessage, ScanMessage

SCAN_EVERY, BODIES_EVERY = 2, 5
"""Ticks of 20 ms: 25 Hz, and 10 Hz for people and localisation."""
ASK_AGAIN = 3.0
"""A robot that stands for so long, and not at its goal, is told again where to go, s."""
BASE = GATE + 1
"""Of SCHED_FIFO: a real base is nobody's process and keeps its own time."""
MOVES = 0.02
"""m/s, rad/s."""
TOLD = 20
"""Contacts of which the report says where and how; all are counted."""


class Simulator:
    """One home, one robot."""

    def __init__(self, settings: Settings, home: Home, wire: Wire, seed: int) -> None:
        """Compiled, at rest, and silent."""
        self._settings, self._wire = settings, wire
        self._frames = frames_of(settings.robot)
        self._ends = [np.asarray(home.scene.goal_map), np.asarray(home.scene.start_map)]
        scene = dataclasses.replace(home.scene, reached=(0.3, 0.5, 0.1))
        robot, config, latency = settings.robot, settings.config, settings.latency

        def tick(state: SimState, scene: Any, command: Any) -> SimState:
            key, drift = jax.random.split(state.key)
            sent = jnp.concatenate([state.sent[1:], command[None]])
            state = dataclasses.replace(state, sent=sent, key=key)
            before = state.pose
            state = advance(robot, config, latency, scene, state)
            belief = reckon(
                PoseErrors(), state.belief, before, state.pose, config.gate_period, drift
            )
            past = jnp.concatenate([state.past_belief[1:], belief.pose_map[None]])
            return dataclasses.replace(state, belief=belief, past_belief=past)

        def sense(state: SimState, scene: Any) -> Snapshot:
            keys = jax.random.split(jax.random.fold_in(state.key, state.tick), 4)
            near = recall(config, state, latency.reactive_sensor)
            far = recall(config, state, latency.sensor)
            age = latency.reactive_sensor
            scan = take_scan(robot.sensor, scene, near.pose, near.people, age, keys[0], SCAN_STEPS)
            seen = detect_people(
                robot, scene, far.pose, far.pan, far.people, latency.sensor, keys[1]
            )
            believed = as_believed(far.pose, far.belief, seen.xy_map)
            noise = jnp.array([0.004, 0.004, 0.003]) * jax.random.normal(keys[2], (3,))
            turned = jnp.array([0.01, 0.02]) * jax.random.normal(keys[3], (2,))
            return Snapshot(
                scan=dataclasses.replace(scan, pose_map=eye_of(robot.sensor, near.belief)),
                odometry=Odometry(pose_map=near.belief + noise, twist=near.twist + turned, age=age),
                detections=dataclasses.replace(seen, xy_map=believed),
                house_from_map=localise(state.belief, state.pose),
            )

        self._scene = scene
        self._state = start_episode(robot, config, latency, scene, jax.random.key(seed))
        self._tick, self._sense = jax.jit(tick), jax.jit(sense)
        jax.block_until_ready(self._tick(self._state, self._scene, jnp.zeros(2)))
        jax.block_until_ready(self._sense(self._state, self._scene))
        self._command, self._heard = np.zeros(2, np.float32), 0
        self._stands, self._goal = 0.0, -1
        self.gaps, self.late = Histogram(), Histogram()
        self.commands, self.arrivals, self.watchdog, self.metres = 0, 0, 0, 0.0
        self._overtaken = False
        self._touched = np.zeros(3, int)
        self.touches: list[dict[str, Any]] = []

    def run(self, asked: Asked, seconds: float = float("inf")) -> None:
        """Tick by the clock."""
        period = round(self._settings.config.gate_period * SECOND)
        first, number = time.monotonic_ns(), 0
        while not asked.to_end and number * period < seconds * SECOND:
            due = first + number * period
            left = (due - time.monotonic_ns()) / SECOND
            if left > 0.0:
                time.sleep(left)
            self.late.add((time.monotonic_ns() - due) / SECOND)
            self._step(number, time.monotonic_ns())
            number += 1

    def _step(self, number: int, now: int) -> None:
        for _, message in self._wire.take():
            twist = [message["linear"]["x"], message["angular"]["z"]]
            self._command = np.asarray(twist, np.float32)
            self.commands += 1
            if self._heard:
                self.gaps.add((now - self._heard) / SECOND)
            self._heard = now
        silent = now - self._heard > COMMAND_DEADLINE * SECOND
        if silent and self._heard and not self._overtaken:
            self.watchdog += 1
        self._overtaken = silent
        command = np.zeros(2, np.float32) if silent else self._command
        self._state = self._tick(self._state, self._scene, command)
        self._say(number, now)
        self._judge()
        self._lead(now)

    def _say(self, number: int, now: int) -> None:
        snapshot = jax.device_get(self._sense(self._state, self._scene))
        offset = clock_offset()
        for message in as_messages(self._settings.robot, self._frames, "laser", snapshot, now):
            seldom = isinstance(message, DetectionsMessage | LocalisationMessage)
            every = SCAN_EVERY if isinstance(message, ScanMessage) else 1
            if number % (BODIES_EVERY if seldom else every) == 0:
                self._wire.publish(*told.measured(message, offset))

    def _judge(self) -> None:
        """Note where and how somebody or something was touched since the last tick."""
        state, seen = self._state, self._state.contacts
        counts = (seen.contacts, seen.wall_contacts, seen.at_fault)
        counted = np.array(jax.device_get(counts), int)
        if np.any(counted > self._touched) and len(self.touches) < TOLD:
            more = counted - self._touched
            self.touches.append(
                {
                    "time_s": round(float(state.time), 2),
                    "pose": np.round(state.pose, 2).tolist(),
                    "twist": np.round(state.twist, 2).tolist(),
                    "command": np.round(self._command, 2).tolist(),
                    "people": np.round(state.people.xy_map, 2).tolist(),
                    "walls": bool(more[1]),
                    "at fault": bool(more[2]),
                }
            )
        self._touched = counted

    def _lead(self, now: int) -> None:
        """Where to go next."""
        period = self._settings.config.gate_period
        twist, arrived = jax.device_get((self._state.twist, self._state.arrived_at))
        self.metres += period * abs(float(twist[0]))
        moves = np.abs(twist).max() > MOVES
        self._stands = 0.0 if moves else self._stands + period
        there = np.isfinite(arrived) and self._goal >= 0
        if there:
            self.arrivals += 1
        if not self._heard or not (there or self._goal < 0 or self._stands > ASK_AGAIN):
            return
        if there or self._goal < 0:
            self._goal += 1
        self._stands = 0.0
        goal = self._ends[self._goal % 2]
        self._scene = dataclasses.replace(self._scene, goal_map=jnp.asarray(goal, jnp.float32))
        self._state = dataclasses.replace(self._state, arrived_at=jnp.float32(jnp.inf))
        message = told.goal(self._frames.house, goal, now, clock_offset())
        self._wire.publish(GOAL, message)

    def report(self) -> dict[str, Any]:
        """How it went, as the base saw it."""
        contacts = jax.device_get(self._state.contacts)
        return {
            "commands": self.commands,
            "gaps": self.gaps.summary(),
            "late": self.late.summary(),
            "arrivals": self.arrivals,
            "metres": round(self.metres, 2),
            "watchdog stops": self.watchdog,
            "contacts": int(contacts.contacts),
            "at fault": int(contacts.at_fault),
            "touches": self.touches,
            "wire": dict(self._wire.counts),
            "resident MB": round(resident(), 1),
        }


def run_simulator(
    folder: Path, settings: Settings, home: Home, wire: Wire, seed: int, seconds: float
) -> dict[str, Any]:
    """Until asked to end or the time is over; its report is left in the robot's folder."""
    asked = Asked()
    simulator = Simulator(settings, home, wire, seed)
    few_pauses()
    come_first(BASE)
    print("simulator ready", file=sys.stderr, flush=True)
    try:
        simulator.run(asked, seconds)
    finally:
        report = simulator.report()
        write_stats(folder, "sim", report)
        wire.close()
    return report


SIMULATOR_LISTENS = (COMMAND,)
