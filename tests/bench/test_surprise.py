"""``bench surprise``: the same numbers again, and a gate that does nothing is found out."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.bench.replay import lines_of
from astro_jax.bench.surprise import Outcome, play, rate_interval, summary
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.reactive.path import planned_twist
from astro_jax.reactive.senses import Mode, Verdict
from astro_jax.sim.ambush.envelope import Kind
from astro_jax.sim.ambush.strata import NOMINAL, STRATA
from astro_jax.tables import surprise_table
from astro_jax.types import Reason

CONFIG = DEFAULT_PLANNER
ROBOT = dataclasses.replace(
    DEFAULT_ROBOT, sensor=dataclasses.replace(DEFAULT_ROBOT.sensor, beams=54)
)
SECONDS = 4.0


def blind_gate(robot, config, state, plan, senses):
    """Lets everything through: what the oracles are for."""
    twist = planned_twist(config, plan, state.phase)
    after = dataclasses.replace(
        state, phase=state.phase + config.gate_period, twist=twist, mode=jnp.int32(0)
    )
    return after, Verdict(
        twist=twist,
        scale=jnp.float32(1.0),
        mode=jnp.int32(int(Mode.RUNNING)),
        reason=jnp.int32(int(Reason.CLEAR)),
    )


@pytest.fixture(scope="module")
def seeds() -> list[int]:
    return list(range(len(STRATA)))


@pytest.fixture(scope="module")
def without_gate():
    return play(ROBOT, CONFIG, 20.0, blind_gate)


@pytest.fixture(scope="module")
def unguarded(without_gate, seeds) -> Outcome:
    return without_gate(seeds)


def test_without_a_gate_every_oracle_speaks(unguarded):
    kinds = unguarded["kinds"].sum(axis=0)
    assert kinds[Kind.THING] > 5 and kinds[Kind.PERSON] > 0
    p1, p4, p6 = unguarded["broken"].sum(axis=0)
    assert p1 > 0 and p4 > 0 and p6 > 0
    nominal = list(STRATA).index(NOMINAL)
    assert unguarded["contacts"][nominal] == 0 and unguarded["slowed"][nominal] == 0
    assert np.nanmin(unguarded["driven"]) > 1.0


def test_the_same_seed_is_the_same_episode_in_any_batch(without_gate, unguarded, seeds):
    again = without_gate(seeds[::-1])
    for name, values in again.items():
        np.testing.assert_array_equal(values, unguarded[name][::-1], err_msg=name)


def test_figures_add_up_and_violations_are_named(unguarded):
    report = summary(unguarded, CONFIG.gate_period, 0)
    assert [row["stratum"] for row in report.cases] == list(STRATA)
    for key in ("episodes", "contacts", "static_at_fault", "passive_in_envelope", "P4"):
        assert report.metrics[key] == sum(row[key] for row in report.cases)
    assert report.metrics["static_at_fault"] == unguarded["kinds"][:, :2].sum()
    named = {v["seed"] for row in report.cases for v in row["violations"]}
    guilty = (unguarded["kinds"][:, :3].sum(axis=1) > 0) | (unguarded["broken"].sum(axis=1) > 0)
    assert named == set(unguarded["seed"][guilty].tolist())
    assert report.intervals["static_at_fault"][0] > 0.0
    assert surprise_table(report.cases).row_count == len(STRATA)


def test_intervals_against_their_definition():
    assert rate_interval(0, 10_000) == (0.0, pytest.approx(3e-4, rel=0.01))
    low, high = rate_interval(4, 1000)
    tail = lambda rate, counts: sum(math.exp(-rate) * rate**k / math.factorial(k) for k in counts)
    assert 1.0 - tail(1000 * low, range(4)) == pytest.approx(0.025, abs=1e-4)
    assert tail(1000 * high, range(5)) == pytest.approx(0.025, abs=1e-4)


@pytest.fixture(scope="module")
def guarded(seeds):
    """The gate itself, and how often it was compiled."""
    traces = []

    def react(*given):
        from astro_jax.reactive.gate import react

        traces.append(None)
        return react(*given)

    run = play(ROBOT, CONFIG, SECONDS, react)
    first = run(seeds)
    traced = len(traces)
    second = run([seed + len(STRATA) for seed in seeds])
    assert len(traces) == traced
    return first, second


def test_the_gate_keeps_its_promises_and_drives(guarded):
    for outcome in guarded:
        assert outcome["broken"].sum() == 0
        assert outcome["kinds"][:, : Kind.PERSON].sum() == 0
        assert outcome["driven"].sum() > 10.0 and not outcome["void"].any()


def test_replay_shows_the_contact(seeds):
    lines = list(lines_of(ROBOT, CONFIG, seeds[0], 20.0, blind_gate))
    assert any("contact: thing" in line for line in lines[:5])
    table = [line for line in lines if " RUNNING " in line]
    assert len(table) > 20
    assert all(jax.numpy.isfinite(float(line.split("|")[0])) for line in table)
