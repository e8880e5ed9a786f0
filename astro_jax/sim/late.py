"""How the time between a photon and a wheel divides among sensing and commanding.        [host]"""

from astro_jax.config import Latency
from astro_jax.errors import InputError

COMMAND_LATENCY, REACTIVE_SENSOR_LATENCY = 0.1, 0.04
"""Shares of the whole latency that lie behind the planner and in the gate's own sensing, s."""
MAX_LATENCY = 0.8


def split_latency(seconds: float) -> Latency:
    """Divide the time from photon to wheel into sensing and command shares.

    Raises:
      InputError: it is not from 0 to ``MAX_LATENCY``.
    """
    if not 0.0 <= seconds <= MAX_LATENCY:
        raise InputError("latency", seconds, f"seconds from 0 to {MAX_LATENCY}")
    command = min(COMMAND_LATENCY, seconds / 3)
    sensor = seconds - command
    return Latency(
        sensor=sensor, reactive_sensor=min(REACTIVE_SENSOR_LATENCY, sensor), command=command
    )
