"""Differentiable trajectory optimization for home robots, in JAX.

One planning cycle, top to bottom: ``astro_jax.navigator.think``; its heart is
``astro_jax.plan``.  Pictures are in ``astro_jax.viz`` (extra ``viz``).
"""

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig, SensorConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.known_world import known_world
from astro_jax.local.planner import initial_state, plan
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.planner import Route, plan_route
from astro_jax.scenes import flat_scene
from astro_jax.strict_yaml import load_planner, load_robot
from astro_jax.types import (
    Diagnostics,
    Plan,
    PlannerState,
    RouteField,
    Status,
    WorldAtEffect,
)

__version__ = "0.1.0"

__all__ = [
    "Diagnostics",
    "HouseMap",
    "InputError",
    "Latency",
    "Plan",
    "PlannerConfig",
    "PlannerParams",
    "PlannerState",
    "RobotConfig",
    "Route",
    "RouteField",
    "SensorConfig",
    "Status",
    "UnreachableError",
    "WorldAtEffect",
    "flat_scene",
    "initial_state",
    "known_world",
    "load_map",
    "load_planner",
    "load_robot",
    "plan",
    "plan_route",
]
