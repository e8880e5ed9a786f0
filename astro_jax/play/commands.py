"""What a page may ask for: every command, checked before anything else sees it.        [host]

A text comes in, a command goes out, or an ``InputError`` that names what is wrong with it; nothing
else happens.  Unknown commands and names, missing ones, wrong types, NaN, numbers out of range and
texts that are too long are all errors.
"""

import dataclasses
import json
from typing import Any

from astro_jax.deploy.settings import load_json
from astro_jax.errors import InputError
from astro_jax.strict_yaml import build

MOST_BYTES = 1024
"""Of one command."""
FAR = 1e4
"""No house is larger, m."""


def number(low: float, high: float, default: Any = dataclasses.MISSING) -> Any:
    """A field with the closed range that is accepted."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Goal:
    """Go there; while it is ``held`` it has to be said again and again, or the robot stops."""

    x: float = number(-FAR, FAR)
    y: float = number(-FAR, FAR)
    yaw: float = number(-10.0, 10.0, 0.0)
    faces: bool = False
    """Whether ``yaw`` counts; else the robot faces as it comes."""
    held: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stop:
    """There is no goal any more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody walks to a place and stays; ``held`` as with goals."""

    who: int = number(0, 63)
    x: float = number(-FAR, FAR)
    y: float = number(-FAR, FAR)
    held: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk:
    """Somebody walks to and fro between where they are and a place."""

    who: int = number(0, 63)
    x: float = number(-FAR, FAR)
    y: float = number(-FAR, FAR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Door:
    """Shut or open a door, in truth; the robot has to find out."""

    which: int = number(0, 255)
    closed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paint:
    """Put something on the floor, or take what was put there away; the robot has to find out."""

    x: float = number(-FAR, FAR)
    y: float = number(-FAR, FAR)
    erase: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Set:
    """Move a slider (play/sliders.py)."""

    name: str
    value: float = number(-1e6, 1e6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pause:
    """Let the time stand still, or go on."""

    on: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One cycle, while time stands still."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reset:
    """Everything as it was at the start."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """The moment at which a cycle of the last minute began."""

    cycle: int = number(0, 2**31 - 1)


Command = Goal | Stop | Person | Walk | Door | Paint | Set | Pause | Step | Reset | Export
COMMANDS: dict[str, type] = {
    cls.__name__.lower(): cls
    for cls in (Goal, Stop, Person, Walk, Door, Paint, Set, Pause, Step, Reset, Export)
}


def parse(text: str | bytes) -> Command:
    """The command that ``{"do": NAME, …}`` means.

    Raises:
      InputError: it means none.
    """
    if isinstance(text, bytes):
        raise InputError("message", f"{len(text)} bytes", "text")
    data = text.encode(errors="surrogatepass")
    if len(data) > MOST_BYTES:
        raise InputError("message", f"{len(data)} bytes", f"at most {MOST_BYTES}")
    found = load_json(data, "")
    if not isinstance(found, dict):
        raise InputError("message", type(found).__name__, "an object")
    name = found.pop("do", None)
    cls = COMMANDS.get(name) if isinstance(name, str) else None
    if cls is None:
        raise InputError("do", name, f"one of {', '.join(COMMANDS)}")
    return build(cls, found, "")


def text_of(command: Command) -> str:
    """The text that ``parse`` makes a command of."""
    fields = dataclasses.asdict(command)
    return json.dumps({"do": type(command).__name__.lower(), **fields}, allow_nan=False)
