"""Differentiable trajectory optimization for home robots, in JAX.

One planning cycle, top to bottom: ``astro_jax.navigator.think``; its heart is
``astro_jax.plan``.  Pictures are in ``astro_jax.viz`` (extra ``viz``).

The names are imported when they are first used: a robot that runs an artifact
(``astro_jax.deploy``) needs none of the planner's source.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig, SensorConfig
    from astro_jax.errors import InputError, UnreachableError
    from astro_jax.known import known_world
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

_PLACES = {
    "config": ("Latency", "PlannerConfig", "PlannerParams", "RobotConfig", "SensorConfig"),
    "errors": ("InputError", "UnreachableError"),
    "known": ("known_world",),
    "local.planner": ("initial_state", "plan"),
    "route.house": ("HouseMap",),
    "route.maps": ("load_map",),
    "route.planner": ("Route", "plan_route"),
    "scenes": ("flat_scene",),
    "strict_yaml": ("load_planner", "load_robot"),
    "types": ("Diagnostics", "Plan", "PlannerState", "RouteField", "Status", "WorldAtEffect"),
}
"""In which module each of them is."""


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            globals()[name] = found = getattr(import_module(f"astro_jax.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
