"""The gate's state machine: running, slowed, stopped until well again, emergency-stopped.

    RUNNING ⇄ SLOWED           as what is in the way comes and goes
    any     → STOPPED          when anything is wrong, or after a start
    STOPPED → RUNNING          when nothing has been wrong for ``WELL``
    any     → E_STOPPED        when the button is pressed
    E_STOPPED → STOPPED        at rest, button released, and then armed by a new order

No other way leads out of a stop: whatever is not known to be well counts as wrong.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.reactive.senses import GateState, Mode, Orders

WELL = 0.2
"""So long everything must have been well before a stopped robot moves again, s."""
AT_REST = 1e-3
"""A path speed below this is rest, m/s."""


def next_mode(
    state: GateState, well: Bool[Array, ""], orders: Orders, speed: Float[Array, ""], tick: float
) -> tuple[Int[Array, ""], Float[Array, ""]]:
    """(Mode, seconds without trouble) of this tick; RUNNING stands for SLOWED too."""
    well_for = jnp.where(well, state.well_for + tick, 0.0)
    pressed = jnp.asarray(orders.stop)
    armed = jnp.asarray(orders.rearm) & ~state.rearm & ~pressed & (speed <= AT_REST)
    held = (state.mode == int(Mode.E_STOPPED)) & ~armed
    # half a tick of rounding
    ready = well & ((state.mode <= int(Mode.SLOWED)) | (well_for >= WELL - 0.5 * tick))
    was_e_stopped = state.mode == int(Mode.E_STOPPED)
    mode = jnp.where(ready & ~was_e_stopped, int(Mode.RUNNING), int(Mode.STOPPED))
    return jnp.where(pressed | held, jnp.int32(Mode.E_STOPPED), mode.astype(jnp.int32)), well_for
