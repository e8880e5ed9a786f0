"""A moment as JSON, and the same moment again.                                         [host]

What a cycle began with and was given goes out: robot, planner, every array to the last bit, and
what the cycle did.  ``replay`` runs it again; on the same machine it does the same, bit by bit.
Arrays are deflated bytes in base64; no object is made of what a file says.
"""

import base64
import dataclasses
import hashlib
import itertools
import json
import zlib
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.deploy.arrays import MOST_BYTES as MOST_ARRAYS
from astro_jax.deploy.arrays import TYPES, Form, Kind, flat, form_of, from_bytes, nested, to_bytes
from astro_jax.errors import InputError
from astro_jax.play.engine import Engine, Given, compile_engine, first_state, run_cycle
from astro_jax.play.sliders import STARTS, settings
from astro_jax.sim.scene import Scene, make_scene
from astro_jax.sim.state import SimState, TickLog
from astro_jax.strict_yaml import build
from astro_jax.types import RouteField, SmoothGrid

VERSION = 1
MOST_BYTES = 32 * 2**20
"""Of a file."""
CELL = "given.scene.cell"
"""No array, but a size that is compiled in."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """What a cycle began with."""

    cycle: int
    candidates: int
    given: Given
    state: SimState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the cycle did."""

    pose: tuple[float, ...]
    """Where the robot was at its end (x, y, yaw)."""
    commands: tuple[tuple[float, ...], ...]
    """What the gate told the wheels, tick by tick: (v, ω)."""
    sha256: str
    """Of every array of the state at its end."""


def outcome_of(after: SimState, ticks: tuple[TickLog, ...]) -> Outcome:
    """What a cycle did."""
    arrays = flat(after)
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + b"\0" + np.asarray(arrays[name]).tobytes())
    return Outcome(
        pose=tuple(float(v) for v in np.asarray(after.pose)),
        commands=tuple(tuple(float(v) for v in np.asarray(tick.command)) for tick in ticks),
        sha256=found.hexdigest(),
    )


def moment_to_json(
    robot: RobotConfig, config: PlannerConfig, moment: Moment, outcome: Outcome
) -> str:
    """The text that ``replay`` takes."""
    arrays = _arrays(moment.given, moment.state)
    form = form_of(arrays)
    data = base64.b64encode(zlib.compress(to_bytes(form, arrays), 1)).decode()
    return json.dumps(
        {
            "astro_jax moment": VERSION,
            "cycle": moment.cycle,
            "outcome": dataclasses.asdict(outcome),
            "robot": dataclasses.asdict(robot),
            "planner": dataclasses.asdict(
                dataclasses.replace(config, candidates=moment.candidates)
            ),
            "cell": moment.given.scene.cell,
            "form": {name: [kind.type, *kind.shape] for name, kind in form.items()},
            "arrays": data,
        },
        allow_nan=False,
        indent=1,
    )


def replay(text: str, engine: Engine | None = None) -> tuple[Outcome, Outcome]:
    """(What the cycle did then, what it does now); equal on the same machine.

    With the ``engine`` that it came from nothing is compiled.

    Raises:
      InputError: the text is no moment.
    """
    robot, config, moment, then = moment_from_json(text)
    engine = engine or compile_engine(robot, config, moment.given, moment.state)
    after, cycle = run_cycle(engine, moment.candidates, moment.given, moment.state)
    return then, outcome_of(after, cycle.ticks)


def moment_from_json(text: str) -> tuple[RobotConfig, PlannerConfig, Moment, Outcome]:
    """What ``moment_to_json`` was given.

    Raises:
      InputError: it is something else; the field is named.
    """
    document = _document(text)
    robot = build(RobotConfig, _section(document, "robot"))
    config = build(PlannerConfig, _section(document, "planner"))
    for field, value, expected in [*robot.problems(), *config.problems(robot)]:
        raise InputError(field, value, expected)
    form = _form(_section(document, "form"))
    given, state = _stand_ins(robot, config)
    wanted = form_of(_arrays(given, state))
    for name in sorted(wanted.keys() ^ form.keys()):
        raise InputError(name, "there" if name in form else "missing", "the arrays of a moment")
    for name, kind in form.items():
        if (kind.type, len(kind.shape)) != (wanted[name].type, len(wanted[name].shape)):
            expected = f"{wanted[name].type} with {len(wanted[name].shape)} axes"
            raise InputError(name, f"{kind.type}{list(kind.shape)}", expected)
    cell = document.get("cell")
    if not isinstance(cell, float) or not 0.0 < cell < 10.0:
        raise InputError("cell", cell, "the edge of a cell, m")
    data = from_bytes(form, _inflated(document.get("arrays"), form), "moment")
    arrays = {name: jnp.asarray(array) for name, array in data.items()} | {CELL: cell}
    return (
        robot,
        config,
        Moment(
            cycle=_whole(document, "cycle"),
            candidates=config.candidates,
            given=nested(given, arrays, "given"),
            state=nested(state, arrays, "state"),
        ),
        _outcome(_section(document, "outcome")),
    )


def _arrays(given: Given, state: SimState) -> dict[str, np.ndarray]:
    found = flat(given, "given") | flat(state, "state")
    return {name: np.asarray(array) for name, array in found.items() if name != CELL}


def _stand_ins(robot: RobotConfig, config: PlannerConfig) -> tuple[Given, SimState]:
    """Nouns of the right structure and types; nothing in them counts."""
    world, params = settings(PlannerParams(), STARTS)
    floor = np.zeros((2, 2), int)
    nobody, nowhere = np.zeros((0, 2, 2)), np.zeros(3)
    scene = make_scene(
        *(floor, floor > 0, nowhere[:2], 1.0, nowhere, nowhere),
        *(nobody, np.zeros(0, int), 0.1, config.people, 0),
    )
    table = SmoothGrid(table=jnp.zeros((2, 2, 3)), origin=jnp.zeros(2), resolution=jnp.float32(1.0))
    field = RouteField(cost_to_go=table, goal_map=jnp.zeros(3))
    given = Given(world=world, params=params, scene=as_arrays(scene), field=field)
    return given, first_state(config, robot, given, 0)


def as_arrays(scene: Scene) -> Scene:
    """A scene without numbers of Python's own: they are of another type to a compiler."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), scene)


def _document(text: str) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise InputError("size", f"{len(text)} characters", f"at most {MOST_BYTES}")
    try:
        document = json.loads(text, parse_constant=_refuse)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError("syntax", f"wrong ({error})", "JSON") from None
    version = document.get("astro_jax moment") if isinstance(document, dict) else None
    if version != VERSION:
        raise InputError("astro_jax moment", version, f"version {VERSION}")
    return document


def _refuse(name: str) -> NoReturn:
    raise InputError("number", name, "a finite number")


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name)
    if not isinstance(section, dict):
        raise InputError(name, type(section).__name__, "a section")
    return section


def _whole(document: dict[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(name, value, "an integer")
    return value


def _form(section: dict[str, Any]) -> Form:
    form = {}
    for name in sorted(section):
        match section[name]:
            case [str(type_), *shape] if type_ in TYPES and all(
                isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**31 for n in shape
            ):
                form[name] = Kind(type=type_, shape=tuple(shape))
            case other:
                raise InputError(name, other, "a type and a shape")
    size = sum(kind.bytes for kind in form.values())
    if size > MOST_ARRAYS:
        raise InputError("form", f"{size} bytes", f"at most {MOST_ARRAYS}")
    return form


def _inflated(text: Any, form: Form) -> bytes:
    """The bytes of the arrays; no more of them are made than the form says."""
    size = sum(kind.bytes for kind in form.values())
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), size + 1)
    except (TypeError, ValueError, zlib.error) as error:
        raise InputError("arrays", str(error), "deflated bytes in base64") from None
    return data


def _outcome(section: dict[str, Any]) -> Outcome:
    match section:
        case {"pose": [*pose], "commands": [*commands], "sha256": str(digest)} if all(
            isinstance(v, float) for v in (*pose, *itertools.chain(*commands))
        ):
            pairs = tuple(tuple(pair) for pair in commands)
            return Outcome(pose=tuple(pose), commands=pairs, sha256=digest)
    raise InputError("outcome", sorted(section), "pose, commands and sha256")
