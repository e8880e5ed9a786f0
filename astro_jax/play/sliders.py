"""What can be turned while the robot drives, and what it does to the planner.          [host]

Values by slider come in, delays and params go out; nothing of it compiles.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.sim.late import split_latency
from astro_jax.sim.state import Circumstances, honest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slider:
    """One number with its range."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    start: float
    words: str
    """What it does, for a newcomer."""
    by_factors: bool = False
    """Whether each step multiplies."""


SLIDERS = (
    Slider(
        name="latency",
        label="Latency",
        unit="s",
        low=0.0,
        high=0.5,
        start=0.3,
        words="From a photon to a wheel. The robot knows it and plans from where it will be.",
    ),
    Slider(
        name="uncertainty",
        label="Doubt about people",
        unit="×",
        low=0.1,
        high=10.0,
        start=1.0,
        by_factors=True,
        words="How suddenly people may turn or stop: the clouds grow, progress counts less.",
    ),
    Slider(
        name="harm",
        label="Fear of harm",
        unit="×",
        low=0.1,
        high=10.0,
        start=1.0,
        by_factors=True,
        words="Seconds of progress that a touch costs, the more the faster the robot.",
    ),
    Slider(
        name="space",
        label="Personal space",
        unit="m",
        low=0.1,
        high=1.5,
        start=0.55,
        words="Gap to people below which it becomes unpleasant.",
    ),
    Slider(
        name="patience",
        label="Patience",
        unit="s",
        low=1.0,
        high=10.0,
        start=4.0,
        words="How far ahead progress counts: the impatient want it now.",
    ),
    Slider(
        name="smoothness",
        label="Smoothness",
        unit="×",
        low=0.1,
        high=10.0,
        start=1.0,
        by_factors=True,
        words="What it costs to brake, to turn and to lean into a bend.",
    ),
    Slider(
        name="pace",
        label="Time",
        unit="×",
        low=0.1,
        high=10.0,
        start=1.0,
        by_factors=True,
        words="How fast time passes here: slow motion below 1, as fast as it can above.",
    ),
)
STARTS: dict[str, float] = {slider.name: slider.start for slider in SLIDERS}


def moved(values: Mapping[str, float], name: str, value: float) -> dict[str, float]:
    """The values with one changed.

    Raises:
      InputError: there is no such slider, or it does not go so far.
    """
    slider = {slider.name: slider for slider in SLIDERS}.get(name)
    if slider is None:
        raise InputError("name", name, f"one of {', '.join(STARTS)}, candidates")
    if not slider.low <= value <= slider.high:
        raise InputError(name, value, f"from {slider.low:g} to {slider.high:g}")
    return {**values, name: float(value)}


def settings(
    params: PlannerParams, values: Mapping[str, float]
) -> tuple[Circumstances, PlannerParams]:
    """How late things are and what the planner values, float32 on the device."""
    doubt, harm, smooth = values["uncertainty"], values["harm"], values["smoothness"]
    turned = dataclasses.replace(
        params,
        patience=values["patience"] / STARTS["patience"] * params.patience,
        personal_space=values["space"] / STARTS["space"] * params.personal_space,
        walker_noise=doubt * params.walker_noise,
        walker_noise_wide=doubt * params.walker_noise_wide,
        harm_person_rest=harm * params.harm_person_rest,
        harm_person_moving=harm * params.harm_person_moving,
        harm_person_speed=harm * params.harm_person_speed,
        acceleration=smooth * params.acceleration,
        turning=smooth * params.turning,
        lateral=smooth * params.lateral,
    )
    world = honest(split_latency(values["latency"]))
    return jax.tree.map(jnp.float32, (world, turned))
