"""The simulated base has the watchdog that a real one has: it outlives its robot's gate."""

import numpy as np
import pytest

from astro_jax.home import packaged_home
from astro_jax.process.simulator import Simulator
from astro_jax.wire import told
from astro_jax.wire.topics import COMMAND, COMMAND_DEADLINE, GOAL
from astro_jax.world.inbox import SECOND
from tests.deploy.small import SMALL

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TICK = SECOND // 50
SPEED = 0.3
"""m/s"""


class Line:
    """A wire with nobody at its other end but the test."""

    def __init__(self):
        self.waiting, self.said, self.counts = [], [], {}

    def take(self):
        came, self.waiting = self.waiting, []
        return came

    def publish(self, topic, message):
        self.said.append((topic, message))

    def close(self):
        pass


@pytest.fixture(scope="module")
def simulator():
    home = packaged_home(SMALL.robot, SMALL.config, people=0)
    return Simulator(SMALL, home, Line(), seed=0)


def test_a_base_whose_gate_has_died_stops_by_itself_and_obeys_the_next_one(simulator):
    line, now, speeds = simulator._wire, SECOND, []

    def drive(ticks, told_to):
        nonlocal now
        for _ in range(ticks):
            if told_to is not None:
                line.waiting.append((COMMAND, told.command(np.array([told_to, 0.0]))))
            simulator._step(len(speeds), now)
            speeds.append(float(simulator._state.twist[0]))
            now += TICK
        return np.array(speeds[-ticks:])

    before_any = drive(30, None)
    assert np.abs(before_any).max() == 0.0 and simulator.report()["watchdog stops"] == 0
    assert drive(75, SPEED)[-1] == pytest.approx(SPEED, abs=0.01)

    silent = drive(75, None)
    deadline = round(COMMAND_DEADLINE * 50)
    dead_time = round(SMALL.latency.command * 50)
    # what was said last is obeyed up to the deadline, and then as a command to rest would be
    assert silent[: deadline - 1].min() > 0.9 * SPEED
    begun = deadline + dead_time
    braked = SPEED / SMALL.robot.wheel_acceleration + 5 * SMALL.robot.actuator_lag
    assert np.abs(silent[begun + round(50 * braked) :]).max() < 0.01
    assert simulator.report()["watchdog stops"] == 1

    # a gate that came back is obeyed, and missed again when it goes
    assert drive(75, SPEED)[-1] == pytest.approx(SPEED, abs=0.01)
    assert np.abs(drive(75, None)[-1]) < 0.01
    went = simulator.report()
    assert went["watchdog stops"] == 2 and went["commands"] == 150 and went["metres"] > 0.5
    assert sum(topic is GOAL for topic, _ in line.said) >= 1
