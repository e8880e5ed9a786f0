"""What the commands share: configuration as it was given, checks, pictures.       [host]"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from astro_jax.config import (
    DEFAULT_PLANNER,
    DEFAULT_ROBOT,
    PlannerConfig,
    PlannerParams,
    RobotConfig,
)
from astro_jax.errors import InputError
from astro_jax.strict_yaml import load_planner, load_robot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(figure: "Figure", path: Path, field: str = "plot") -> None:
    """Save it; an InputError for ``field`` if that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except (OSError, ValueError) as error:
        expected = f"a picture file that can be written ({error})"
        raise InputError(field, str(path), expected) from error


def check_from(field: str, value: int, low: int) -> None:
    """An InputError unless ``value`` is at least ``low``."""
    if value < low:
        raise InputError(field, value, f"a number from {low}")


def configuration(
    robot: Path | None, planner: Path | None
) -> tuple[RobotConfig, PlannerConfig, PlannerParams]:
    """Robot, planner and params of the files, or the defaults; an InputError if unusable."""
    chosen = DEFAULT_ROBOT if robot is None else load_robot(robot)
    if planner is None:
        for field, value, expected in DEFAULT_PLANNER.problems(chosen):
            raise InputError(field, value, expected, str(robot))
        return chosen, DEFAULT_PLANNER, PlannerParams()
    return chosen, *load_planner(planner, chosen)


def data_folder(given: Path | None) -> str | Path:
    """The folder that was given, or that ASTRO_JAX_DATA names; an InputError if none is."""
    folder = given or os.environ.get("ASTRO_JAX_DATA")
    if not folder:
        raise InputError("data", "missing", "a folder, or one that ASTRO_JAX_DATA names")
    return folder
