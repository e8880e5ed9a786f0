"""Bugs to plant in a copy of the gate: which text of which file becomes which other text.

The copy is a package of another name, made of the sources with the substitutions applied; the
production code has no switch for it.  ``senses.py``, which only names what goes in and out, is
shared, so that a planted gate can take the place of the real one.
"""

import dataclasses
import importlib
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import astro_jax

PACKAGE = "astro_jax.reactive"
SOURCES = Path(astro_jax.__file__).parent / "reactive"
SHARED = ("senses",)
_copies = itertools.count()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bug:
    name: str
    changes: tuple[tuple[str, str, str], ...]
    """(file, text, what it becomes); every text occurs exactly once in its file."""


def bug(name: str, *changes: tuple[str, str, str]) -> Bug:
    return Bug(name=name, changes=changes)


BUGS = (
    # things
    bug("margin to things dropped", ("gaps", "STATIC_MARGIN = 0.012", "STATIC_MARGIN = -0.06")),
    bug(
        "mask of returns inverted",
        ("gaps", "jnp.where(returned[None],", "jnp.where(~returned[None],"),
    ),
    bug("half the width for half the length", ("gaps", "- robot.length / 2", "- robot.width / 2")),
    bug(
        "a blocked path ends later than it does",
        ("gaps", "lengths[jnp.maximum(first - 1, 0)]", "lengths[jnp.minimum(first + 2, 19)]"),
    ),
    bug(
        "the path turns the other way",
        ("path", "jnp.cumsum(step * twists[:, 1])", "jnp.cumsum(-step * twists[:, 1])"),
    ),
    bug(
        "reversing is taken for driving on",
        ("path", "moves = step * twists[:, :1]", "moves = step * jnp.abs(twists[:, :1])"),
    ),
    bug(
        "reaction time without the way to the wheels",
        ("stopping", "+ delay + tick + easing", "+ tick + easing"),
    ),
    bug(
        "brakes believed to be four times as good",
        (
            "stopping",
            "    b = robot.wheel_acceleration\n    return -b * reaction",
            "    b = 4.0 * robot.wheel_acceleration\n    return -b * reaction",
        ),
    ),
    bug("blind sectors driven at full speed", ("sight", "BLIND_SPEED = 0.15", "BLIND_SPEED = 9.0")),
    # people
    bug(
        "people ignored",
        ("gate", "counted = people.there &", "counted = jnp.zeros_like(people.there) &"),
    ),
    bug(
        "people walk backwards",
        (
            "movers",
            "self.xy_map + t[:, None] * self.velocity_map",
            "self.xy_map - t[:, None] * self.velocity_map",
        ),
    ),
    bug(
        "people taken for where they were",
        (
            "movers",
            "since=jnp.where(seen, jnp.maximum(scan_age, 0.0), tracks.age) + delay,",
            "since=jnp.zeros_like(speed),",
        ),
    ),
    bug(
        "people have no size",
        ("movers", "radius=tracks.radius + MOVER_MARGIN", "radius=0.0 * tracks.radius"),
    ),
    # speed
    bug(
        "slow down, quick up",
        (
            "gate",
            "jnp.minimum(allowed, last + RELEASE * tick)",
            "jnp.maximum(allowed, last - RELEASE * tick)",
        ),
    ),
    bug(
        "brakes used in part",
        (
            "gate",
            "lowest = last - robot.braking * tick",
            "lowest = last - 0.3 * robot.braking * tick",
        ),
    ),
    bug(
        "speeds up at once",
        (
            "gate",
            "last + robot.wheel_acceleration * tick",
            "last + 10.0 * robot.wheel_acceleration * tick",
        ),
    ),
    bug("only v is scaled", ("gate", "twist = scale * base", "twist = base.at[0].multiply(scale)")),
    bug("no ceiling", ("gate", "jnp.minimum(ceiling, wanted), 0.0)", "wanted, 0.0)")),
    # messages
    bug("stale scans accepted", ("watch", "MAX_SCAN_AGE = 0.15", "MAX_SCAN_AGE = 15.0")),
    bug("frozen scans accepted", ("watch", "        & ~frozen\n", "")),
    bug("half a scan accepted", ("watch", "MIN_VALID_BEAMS = 0.5", "MIN_VALID_BEAMS = -1.0")),
    bug(
        "the plan's own stop ignored",
        ("path", "stopping = phase >= config.tail_after", "stopping = phase >= 1e6"),
    ),
    bug(
        "status of plans ignored",
        ("watch", "(plan.status == int(Status.OK))", "(plan.status >= int(Status.OK))"),
    ),
    bug(
        "NaN passes the limits",
        ("watch", "(v <= 1.01 * robot.speed)", "~(v > 1.01 * robot.speed)"),
        (
            "watch",
            "(v >= -1.01 * robot.reverse_speed - 1e-4)",
            "~(v < -1.01 * robot.reverse_speed)",
        ),
        ("watch", "(turning <= 1.01 * robot.yaw_rate)", "~(turning > 1.01 * robot.yaw_rate)"),
        ("watch", "(wheel <= 1.01 * robot.wheel_speed)", "~(wheel > 1.01 * robot.wheel_speed)"),
        ("gate", "(wanted >= last - most) & (wheels <= most)", "~(wanted < last - most)"),
    ),
    bug(
        "jumps of the clock ignored",
        ("watch", "(elapsed > 0.0) & (elapsed <= LONGEST_GAP)", "elapsed > 0.0"),
    ),
    # modes
    bug("moves on as soon as all is well", ("modes", "WELL = 0.2", "WELL = 0.0")),
    bug(
        "emergency stop ignored",
        (
            "modes",
            "pressed = jnp.asarray(orders.stop)",
            "pressed = jnp.asarray(orders.stop) & False",
        ),
    ),
    bug("emergency stop not held", ("modes", "jnp.where(pressed | held,", "jnp.where(pressed,")),
    bug("armed by leaning on the button", ("modes", " & ~state.rearm", "")),
)


def planted(bug: Bug) -> Callable:
    """``react`` of a copy of the gate with the bug in it.

    Raises:
      ValueError: a text to be changed is not there exactly once: the gate has changed, and the
        bug must be planted anew.
    """
    sources = sources_with(bug)
    name = f"planted_gate_{next(_copies)}"
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / name
        package.mkdir()
        for file, source in sources.items():
            for other in sources:
                source = source.replace(f"from {PACKAGE}.{other} ", f"from {name}.{other} ")
            (package / f"{file}.py").write_text(source)
        sys.path.insert(0, folder)
        try:
            importlib.invalidate_caches()
            return importlib.import_module(f"{name}.gate").react
        finally:
            sys.path.remove(folder)


def sources_with(bug: Bug) -> dict[str, str]:
    """Sources by file, without those that are shared; only what ``gate`` needs."""
    sources = {
        path.stem: path.read_text()
        for path in sorted(SOURCES.glob("*.py"))
        if path.stem not in SHARED
    }
    for file, text, other in bug.changes:
        if sources[file].count(text) != 1:
            raise ValueError(
                f"{bug.name}: {file}.py has {text!r} {sources[file].count(text)} times"
            )
        sources[file] = sources[file].replace(text, other)
    return sources
