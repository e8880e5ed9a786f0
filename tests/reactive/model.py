"""A small model of the gate's modes, written from their table, for tests to hold it against."""

import numpy as np

from astro_jax.reactive.modes import WELL
from astro_jax.reactive.senses import Mode

from .cases import TICK

WELL_TICKS = round(WELL / TICK)


class Modes:
    """Modes of many gates at once; SLOWED counts as RUNNING."""

    def __init__(self, mode, well_ticks=0):
        self.mode = np.array(mode)
        self.well = np.full(self.mode.shape, well_ticks)
        self.rearm = np.zeros(self.mode.shape, bool)

    def tick(self, well, stop, rearm, at_rest) -> None:
        """Some were well, some buttons pressed, some orders to arm given, some robots at rest."""
        self.well = np.where(well, self.well + 1, 0)
        risen, self.rearm = rearm & ~self.rearm, np.array(rearm)
        ready = well & (self.well >= WELL_TICKS)
        runs = self.mode == Mode.RUNNING
        held = self.mode == Mode.E_STOPPED
        after = np.where((runs & well) | (~runs & ready), Mode.RUNNING, Mode.STOPPED)
        after = np.where(held, Mode.STOPPED, after)
        self.mode = np.where(stop | (held & ~(risen & at_rest)), Mode.E_STOPPED, after)
