"""The state machine against a table of its own, over very many sequences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

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
