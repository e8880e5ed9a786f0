"""A planner from an artifact: nothing is traced, no planner's source is imported.     [host]

    robot = load(Path("astro.astro"))                       # deploy/load.py
    state = robot.start(house, pose_map, seed=0)
    state, report = robot.think(state, snapshot, way)      # 10 Hz; ``way`` None: no goal
    state, verdict = robot.act(state, tick, scan, odometry)   # 50 Hz: ``verdict["twist"]``

The state is a flat dictionary that only the artifact's own functions look into; what others want
of it has a name (``state["plan.commands"]``).  Messages are those of ``world/inbox.py``.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from astro_jax.deploy.arrays import Flat, flat
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.engine import Engine
from astro_jax.deploy.room import no_way, roomy_field, roomy_house
from astro_jax.errors import InputError
from astro_jax.types import Grid, Odometry, RouteField, Scan, Snapshot

State = dict[str, Any]
"""Of the robot between cycles, by dotted path."""


class Runtime:
    """One robot in one house."""

    def __init__(self, artifact: Artifact, engine: Engine) -> None:
        """With the artifact's own weights and delays.

        Raises:
          InputError: the artifact is of something else than a planner.
        """
        for name in ("start", "think", "act"):
            if name not in engine.calls:
                raise InputError("functions", list(engine.calls), f"{name} too", artifact.where)
        self.settings, self.engine = artifact.settings, engine
        self._room = artifact.manifest.house
        form = artifact.manifest.functions["think"].inputs
        numbers = flat(self.settings.params, "params") | flat(self.settings.latency, "latency")
        self._fixed = engine.keep({name: np.float32(value) for name, value in numbers.items()})
        self._delays = {k: v for k, v in self._fixed.items() if k.startswith("latency.")}
        self._house: dict[str, Any] = {}
        names = [name for name in form if name.startswith("gaze.")]
        self._gaze: dict[str, Any] = {n: np.zeros(form[n].shape, form[n].dtype) for n in names}
        # as of body.gaze.ahead
        self._gaze.update({"gaze.body": np.int32(-1), "gaze.share": np.float32(1.0)})
        self._nowhere = engine.keep(flat(no_way(self._room), "field"))
        self._way: tuple[RouteField | None, dict[str, Any]] = (None, self._nowhere)

    def start(self, house: Grid, pose_map: Float[np.ndarray, "3"], seed: int = 0) -> State:
        """At rest at ``pose_map``, knowing nothing but the house (log-odds, see world/grid.py).

        Raises:
          InputError: the house is too large, or a number is not finite.
        """
        pose = np.asarray(pose_map, np.float32)
        for field, value in (("pose_map", pose), ("house", np.asarray(house.values))):
            if not np.all(np.isfinite(value)):
                raise InputError(field, "not finite", "finite numbers")
        self._house = self.engine.keep(flat(roomy_house(house, self._room), "house"))
        key = np.array([0, seed], np.uint32)
        given = {**self._delays, **self._house, "pose_map": pose, "key": key}
        return _state(self.engine.calls["start"](given))

    def think(
        self,
        state: State,
        snapshot: Snapshot,
        way: RouteField | None,
        gaze: Any = None,
        pace: float = 1.0,
        granted: float | None = None,
    ) -> tuple[State, dict[str, Any]]:
        """One planning cycle; see ``navigator.think``, ``keep_to`` and ``halt``.

        A ``way`` that is the same object as last time is not handed over again.  ``granted`` is
        how long this cycle may take, s, by default what the artifact says (``latency.planning``).

        Raises:
          InputError: the way is of a larger house, or ``start`` was not called.
          ShapeError: a message has other arrays than the artifact was made for.
        """
        if not self._house:
            raise InputError("state", "not begun", "start first: the house is not known")
        if way is not self._way[0]:
            kept = flat(roomy_field(way, self._room), "field") if way is not None else None
            self._way = (way, self._nowhere if kept is None else self.engine.keep(kept))
        outputs = self.engine.calls["think"](
            {
                **self._fixed,
                **self._house,
                **_named("state.", state),
                **self._way[1],
                **_arrays(flat(snapshot, "snapshot")),
                **(self._gaze if gaze is None else _arrays(flat(gaze, "gaze"))),
                **({} if granted is None else {"latency.planning": np.float32(granted)}),
                "pace": np.float32(pace),
                "halted": np.bool_(way is None),
            }
        )
        return _state(outputs), _part("report.", outputs)

    def act(
        self,
        state: State,
        tick: int,
        scan: Scan,
        odometry: Odometry,
        stop: bool = False,
        rearm: bool = False,
        elapsed: float | None = None,
    ) -> tuple[State, dict[str, np.ndarray]]:
        """One tick of the gate, the ``tick``-th since the cycle began; see ``navigator.act``.

        Raises:
          ShapeError: a message has other arrays than the artifact was made for.
        """
        period = self.settings.config.gate_period
        outputs = self.engine.calls["act"](
            {
                **self._delays,
                **_named("state.", state),
                **_arrays(flat(scan, "scan")),
                **_arrays(flat(odometry, "odometry")),
                "tick": np.int32(tick),
                "orders.stop": np.bool_(stop),
                "orders.rearm": np.bool_(rearm),
                "elapsed": np.float32(period if elapsed is None else elapsed),
            }
        )
        verdict = {name: np.asarray(value) for name, value in _part("verdict.", outputs).items()}
        return _state(outputs), verdict


def _state(outputs: Flat) -> State:
    return _part("state.", outputs)


def _part(prefix: str, arrays: Flat) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _named(prefix: str, arrays: Flat) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in arrays.items()}


def _arrays(values: Flat) -> dict[str, Any]:
    """Python's numbers as float32; arrays as they are."""
    return {n: v if hasattr(v, "dtype") else np.float32(v) for n, v in values.items()}
