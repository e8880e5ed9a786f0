"""Everything that was decided when an artifact was made: robot, planner, weights, delays. [host]

Kept as JSON, read as strictly as the YAML it came from: unknown or repeated names, wrong types,
NaN, numbers out of range and settings that contradict each other are errors.
"""

import dataclasses
import json
from typing import Any, NoReturn

from astro_jax.config import (
    DEFAULT_PLANNER,
    DEFAULT_ROBOT,
    Latency,
    PlannerConfig,
    PlannerParams,
    RobotConfig,
)
from astro_jax.errors import InputError
from astro_jax.strict_yaml import build

MOST_BYTES = 2**20
_SECTIONS: dict[str, Any] = {
    "robot": RobotConfig,
    "config": PlannerConfig,
    "params": PlannerParams,
    "latency": Latency,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Of one robot."""

    robot: RobotConfig = DEFAULT_ROBOT
    config: PlannerConfig = DEFAULT_PLANNER
    params: PlannerParams = dataclasses.field(default_factory=PlannerParams)
    latency: Latency = dataclasses.field(default_factory=Latency)


def settings_to_json(settings: Settings) -> bytes:
    """Every setting with its value, defaults too.

    Raises:
      InputError: a number is not finite.
    """
    try:
        text = json.dumps(dataclasses.asdict(settings), indent=1, allow_nan=False)
    except ValueError as error:
        raise InputError("settings", str(error), "finite numbers") from None
    return text.encode() + b"\n"


def settings_from_json(data: bytes, where: str) -> Settings:
    """The settings of ``settings_to_json``.

    Raises:
      InputError: see above; the field is named.
    """
    document = load_json(data, where)
    if not (isinstance(document, dict) and document.keys() == _SECTIONS.keys()):
        found = sorted(document) if isinstance(document, dict) else type(document).__name__
        raise InputError("settings", found, f"the sections {', '.join(_SECTIONS)}", where)
    for name, section in document.items():
        if not isinstance(section, dict):
            raise InputError(name, section, "a section of settings", where)
    built = {
        name: build(cls, document[name], f"{where}, {name}") for name, cls in _SECTIONS.items()
    }
    settings = Settings(**built)
    problems = [*settings.robot.problems(), *settings.config.problems(settings.robot)]
    for field, value, expected in problems:
        raise InputError(field, value, expected, where)
    return settings


def load_json(data: bytes, where: str, most: int = MOST_BYTES) -> Any:
    """JSON without its traps: no NaN, no infinity, no name twice, nothing deep or large.

    Raises:
      InputError: it is none of that kind.
    """
    if len(data) > most:
        raise InputError("size", f"{len(data)} bytes", f"at most {most}", where)

    def refuse(name: str) -> NoReturn:
        raise InputError("number", name, "a finite number", where)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise InputError("names", [name for name, _ in pairs], "each name once", where)
        return found

    try:
        return json.loads(data.decode(), parse_constant=refuse, object_pairs_hook=once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError("syntax", f"wrong ({error})", "JSON", where) from None
