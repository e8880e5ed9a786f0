"""What the gate leaves behind for people: one record for every change of its mode.   [host]"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason

Column = Sequence[float] | np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transition:
    """The tick in which the gate's mode became another."""

    time: float
    """By the clock of whoever ticks: the host's monotonic one, or the simulation's, s."""
    before: Mode
    after: Mode
    reason: Reason
    scale: float
    """s of that tick."""
    twist: tuple[float, float]
    """(v, ω) sent in that tick, m/s and rad/s."""

    def __str__(self) -> str:
        """One line for a log."""
        v, omega = self.twist
        return (
            f"{self.time:.3f} s: {self.before.name} → {self.after.name} ({self.reason.name}), "
            f"scale {self.scale:.2f}, {v:+.3f} m/s, {omega:+.3f} rad/s"
        )


def transitions(
    time: Column,
    mode: Column,
    reason: Column,
    scale: Column,
    twist: np.ndarray,
    before: Mode = Mode.STOPPED,
) -> list[Transition]:
    """Every change of mode in columns with a row per tick, such as those of a ``TickLog``.

    ``before`` is the mode ahead of the first row; a gate starts out stopped.
    """
    modes, why = np.asarray(mode, int), np.asarray(reason, int)
    when, share, told = (np.asarray(column, float) for column in (time, scale, twist))
    earlier = np.concatenate([[int(before)], modes[:-1]])
    return [
        Transition(
            time=float(when[row]),
            before=Mode(int(earlier[row])),
            after=Mode(int(modes[row])),
            reason=Reason(int(why[row])),
            scale=float(share[row]),
            twist=(float(told[row, 0]), float(told[row, 1])),
        )
        for row in np.flatnonzero(modes != earlier)
    ]
