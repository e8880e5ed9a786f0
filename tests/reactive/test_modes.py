"""The state machine against a table of its own, over very many sequences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.reactive import modes
from astro_jax.reactive.senses import Mode, Orders

from .cases import TICK, case_of, f32
from .model import Modes

SEQUENCES, TICKS = 100_000, 60


def test_modes_are_those_of_the_table_in_100_000_sequences():
    """Random faults, buttons and speeds; every transition of the table occurs."""
    random = np.random.default_rng(0)
    shape = (TICKS, SEQUENCES)
    # faults and orders that last for a while
    often = lambda p, q: np.cumsum(random.uniform(size=shape) < p, axis=0) % q == 1
    well = ~often(0.05, 3)
    stop, rearm = often(0.05, 4), often(0.15, 2)
    speed = np.where(often(0.2, 2), 0.5, 0.0)
    start = case_of().state

    @jax.jit
    @jax.vmap
    def run(well, stop, rearm, speed):
        def tick(state, now):
            well, stop, rearm, speed = now
            mode, well_for = modes.next_mode(
                state, well, Orders(stop=stop, rearm=rearm), speed, TICK
            )
            after = dataclasses.replace(state, mode=mode, well_for=well_for, rearm=rearm)
            return after, mode

        state = dataclasses.replace(
            jax.tree.map(jnp.asarray, start), mode=jnp.int32(Mode.STOPPED), well_for=jnp.float32(0)
        )
        return jax.lax.scan(tick, state, (well, stop, rearm, speed))[1]

    found = np.asarray(run(well.T, stop.T, rearm.T, f32(speed).T)).T
    model = Modes(np.full(SEQUENCES, Mode.STOPPED))
    seen = set()
    for k in range(TICKS):
        before = model.mode.copy()
        model.tick(well[k], stop[k], rearm[k], speed[k] <= modes.AT_REST)
        np.testing.assert_array_equal(found[k], model.mode)
        seen |= set(zip(before.tolist(), model.mode.tolist(), strict=True))
    run_, stopped, e_stopped = int(Mode.RUNNING), int(Mode.STOPPED), int(Mode.E_STOPPED)
    assert seen == {
        (run_, run_),
        (run_, stopped),
        (run_, e_stopped),
        (stopped, run_),
        (stopped, stopped),
        (stopped, e_stopped),
        (e_stopped, e_stopped),
        (e_stopped, stopped),
    }


@pytest.mark.parametrize(("speed", "armed"), [(0.0, True), (1e-3, True), (1.1e-3, False)])
def test_it_is_armed_at_rest_only(speed, armed):
    state = dataclasses.replace(case_of().state, mode=jnp.int32(Mode.E_STOPPED))
    orders = Orders(stop=jnp.asarray(False), rearm=jnp.asarray(True))
    mode, _ = modes.next_mode(state, jnp.asarray(True), orders, jnp.float32(speed), TICK)
    assert int(mode) == (Mode.STOPPED if armed else Mode.E_STOPPED)


def test_what_runs_slowly_runs():
    """It has not been stopped, so it need not have been well for any time."""
    orders = Orders(stop=jnp.asarray(False), rearm=jnp.asarray(False))
    for before, after in ((Mode.SLOWED, Mode.RUNNING), (Mode.STOPPED, Mode.STOPPED)):
        state = dataclasses.replace(
            case_of().state, mode=jnp.int32(before), well_for=jnp.float32(0.0)
        )
        mode, _ = modes.next_mode(state, jnp.asarray(True), orders, jnp.float32(0.1), TICK)
        assert int(mode) == after
