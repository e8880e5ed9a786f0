"""Driving case after case: what the planner values is data."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import PlannerParams
from astro_jax.reactive.modes import next_mode
from astro_jax.reactive.senses import GateState, Mode, Orders, initial_gate
from astro_jax.sim.contact import ContactState, no_contacts
from astro_jax.sim.state import SimState
from astro_jax.suites import crossing, drive
from astro_jax.types import Scalar, pytree


@pytree
class Driven:
    """As much of a simulation's state as the drive looks at."""

    time: Scalar
    arrived_at: Scalar
    contacts: ContactState


@pytree
class SimpleBrain:
    gate: GateState


@pytree
class SimpleState:
    robot: SimpleBrain


@pytest.fixture
def traced(monkeypatch):
    """An episode that takes a second, and as long again as its params are patient: its traces."""
    count = []

    def run_cycles(robot, config, params, world, scene, field, state, cycles):
        count.append(cycles)
        time = state.time + cycles * config.period
        done = time >= 1.0 + params.patience
        state = Driven(
            time=time, arrived_at=jnp.where(done, time, jnp.inf), contacts=state.contacts
        )
        return state, None, jnp.full((cycles, 1), time)

    started = lambda *given: Driven(time=0.0, arrived_at=jnp.inf, contacts=no_contacts(1))
    monkeypatch.setattr(drive, "run_cycles", run_cycles)
    monkeypatch.setattr(drive, "start_episode", started)
    monkeypatch.setattr(drive, "already_on", lambda state: state)
    monkeypatch.setattr(drive, "revise", lambda *given: None)
    no_way = lambda *given: SimpleNamespace(field=np.zeros(3), searches=1)
    monkeypatch.setattr(drive, "plan_route", no_way)
    return count


def test_other_params_drive_otherwise_and_compile_nothing(traced):
    setup = crossing.setup()
    case = crossing.load(Path(), setup)["crossing-1-000"](0)
    go = drive.driver(setup)
    arrivals = [
        go(case, seed, PlannerParams(patience=patience)).arrived_at
        for seed, patience in ((1, 2.0), (1, 5.0), (2, 2.0))
    ]
    np.testing.assert_allclose(arrivals, [3.0, 6.0, 3.0], rtol=1e-5)
    assert len(traced) == 1


def test_the_robot_is_on_when_the_clock_begins():
    """After a start the gate waits until all has been well for a while; here it has been."""
    fresh = initial_gate(4)
    state = cast(SimState, SimpleState(robot=SimpleBrain(gate=fresh)))
    on = drive.already_on(state).robot.gate
    modes = [
        int(next_mode(gate, jnp.asarray(well), Orders(), jnp.float32(0.0), 0.02)[0])
        for gate, well in ((fresh, True), (on, True), (on, False))
    ]
    assert modes == [Mode.STOPPED, Mode.RUNNING, Mode.STOPPED]
