"""Dotted names of settings, and setups in which some of them are others.             [host]

``robot.speed``, ``config.candidates``, ``params.patience``, ``robot.sensor.beams``: a section
(``SECTIONS``) and the fields of its dataclass.  ``robot`` and ``planner`` alone stand for a whole
file, on top of which dotted names count.
"""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.strict_yaml import Section, build, config_of, load_planner, load_robot, robot_of
from astro_jax.suites.case import Setup

SECTIONS: Mapping[str, type] = {
    "robot": RobotConfig,
    "config": PlannerConfig,
    "params": PlannerParams,
}
FILES = ("robot", "planner")
"""Names whose value is a YAML file, looked for beside the spec."""


def kind_of(name: str, where: str = "") -> Any:
    """The type of the setting called ``name``.

    Raises:
      InputError: there is no such setting.
    """
    if name in FILES:
        return str
    section, *fields = name.split(".")
    if section not in SECTIONS or not fields:
        known = ", ".join(f"{key}.…" for key in SECTIONS)
        expected = f"a setting ({known}) or a file ({', '.join(FILES)})"
        raise InputError(name[:60], "unknown", expected, where)
    kind: Any = SECTIONS[section]
    for depth, field in enumerate(fields):
        hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
        names = [f.name for f in dataclasses.fields(kind)] if hints else []
        if field not in names:
            owner = ".".join([section, *fields[:depth]])
            close = difflib.get_close_matches(field[:60], names, n=1)
            hint = f", perhaps {owner}.{close[0]}" if close else ""
            raise InputError(name[:60], "unknown", f"a setting of {owner}{hint}", where)
        kind = hints[field]
    if dataclasses.is_dataclass(kind):
        raise InputError(name, "a group of settings", f"one of them, as in {name}.…", where)
    return kind


def resolve(base: Setup, setting: Section) -> Setup:
    """The setup in which the settings named in ``setting`` have its values.

    Raises:
      InputError: an unknown name, a value of another type or out of range, a file that cannot be
        used, settings that contradict each other; with the line in the spec where it knows it.
    """
    for name in setting:
        kind_of(name, setting.where(name))
    robot, config, params = base.robot, base.config, base.params
    if "robot" in setting:
        robot = load_robot(_beside(setting, "robot"))
    robot = robot_of(_section("robot", robot, setting))
    if "planner" in setting:
        config, params = load_planner(_beside(setting, "planner"), robot)
    return Setup(
        robot=robot,
        config=config_of(_section("config", config, setting), robot),
        params=build(PlannerParams, _section("params", params, setting)),
    )


def _beside(setting: Section, name: str) -> Path:
    value = setting[name]
    if not isinstance(value, str):
        raise InputError(name, value, "the path of a YAML file", setting.where(name))
    return Path(setting.source).parent / value


def _section(name: str, value: Any, setting: Section) -> Section:
    """A dataclass as if it had been read from the spec, with the setting's changes in it."""
    prefix = f"{name}."
    section = Section({}, setting.source, prefix)
    for field in dataclasses.fields(value):
        own, inner = prefix + field.name, getattr(value, field.name)
        if own in setting:
            inner = setting[own]
            if own in setting.lines:
                section.lines[field.name] = setting.lines[own]
        elif dataclasses.is_dataclass(inner):
            inner = _section(own, inner, setting)
        section[field.name] = inner
    return section
