"""What visitors have asked for, and what is true and told because of it.                [host]

Commands come in, one by one; the stage, the goal, the sliders and who holds what change.  The route
layer searches beside it, in its own worker.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.play import commands as ask
from astro_jax.play import stage as staging
from astro_jax.play.engine import Engine, Given
from astro_jax.play.frame import house_message, route_message
from astro_jax.play.layout import Kind, pack
from astro_jax.play.sliders import STARTS, moved, settings
from astro_jax.play.slots import Slots
from astro_jax.play.words import answered
from astro_jax.route.guidance import Look, by_motion
from astro_jax.route.worker import Cancelled, Found, RouteWorker
from astro_jax.sim.odometry import localise
from astro_jax.sim.state import SimState, nothing_told
from astro_jax.types import RouteField

HELD_FOR = 1.0
"""Whoever holds something and says nothing for so long has let go, s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """What everything begins with, and goes back to."""

    stage: staging.Stage
    field: RouteField
    goal: tuple[float, float, float]
    state: SimState
    params: PlannerParams


class Director:
    """Of one thread, the loop's; whoever watches is told through slots."""

    def __init__(
        self,
        engine: Engine,
        start: Start,
        sizes: tuple[int, ...],
        slots: Slots,
        export: Callable[[int, int], None],
    ) -> None:
        """At the start; ``export`` is asked to give a cycle to a page."""
        self._engine, self._start, self._sizes = engine, start, sizes
        self._slots, self._export = slots, export
        self._worker: RouteWorker | None = None
        self.reset()

    def reset(self) -> None:
        """Everything as at the start."""
        start = self._start
        self.end()
        self.state, self._stage, self._field = start.state, start.stage, start.field
        self.goal: tuple[float, float, float] | None = None
        self._wanted: tuple[float, float, float] | None = None
        self._ticket: int | None = None
        self._rebuild = False
        self.values = dict(STARTS)
        self.candidates = self._engine.config.candidates
        self.paused, self.steps = False, 0
        self._note = ("good", "")
        self._held: dict[tuple[int, Any], float] = {}
        self._show_house()
        self._goal_wanted(start.goal)

    def end(self) -> None:
        """Nothing is searched for any more."""
        if self._worker:
            self._worker.close()
            self._worker = None

    def given(self) -> Given:
        """What the next cycle depends on."""
        world, params = settings(self._start.params, self.values)
        return Given(world=world, params=params, scene=self._stage.scene, field=self._field)

    def told(self) -> SimState:
        """The state that the next cycle begins with."""
        told = dataclasses.replace(nothing_told(), halted=jnp.asarray(self.goal is None))
        # the referee judges on after an arrival
        return dataclasses.replace(self.state, told=told, arrived_at=jnp.float32(jnp.inf))

    @property
    def arrived(self) -> bool:
        """Whether the last cycle ended at the goal."""
        return self.goal is not None and math.isfinite(float(self.state.arrived_at))

    def obey(self, page: int, command: ask.Command | None) -> None:
        """Do what a page asks for; ``None``: it has gone.

        Raises:
          InputError: that cannot be; nothing has changed.
        """
        match command:
            case None:
                self._drop([key for key in self._held if key[0] == page])
            case ask.Goal(x=x, y=y, yaw=yaw, faces=faces, held=held):
                self._hold(page, "goal", held)
                here = np.asarray(self.state.pose)
                yaw = yaw if faces else math.atan2(y - here[1], x - here[0])
                self._goal_wanted((x, y, yaw))
            case ask.Stop():
                self._no_goal("")
            case ask.Person(who=who, x=x, y=y, held=held):
                self._stage = staging.with_person(self._stage, who, (x, y))
                self._hold(page, who, held)
            case ask.Walk(who=who, x=x, y=y):
                here = np.asarray(self.state.people.xy_map)
                self._stage = staging.with_walk(self._stage, who, here, (x, y))
            case ask.Door(which=which, closed=closed):
                self._build(staging.with_door(self._stage, which, closed, self._bodies()))
            case ask.Paint(x=x, y=y, erase=erase):
                self._build(staging.with_paint(self._stage, x, y, erase, self._bodies()))
            case ask.Set(name="candidates", value=value):
                self._resize(value)
            case ask.Set(name=name, value=value):
                self.values = moved(self.values, name, value)
                self.show_news()
            case ask.Pause(on=on):
                self.paused, self.steps = on, 0
                self.show_news()
            case ask.Step():
                self.paused, self.steps = True, self.steps + 1
                self.show_news()
            case ask.Reset():
                self.reset()
            case ask.Export(cycle=cycle):
                self._export(page, cycle)

    def _build(self, stage: staging.Stage) -> None:
        self._stage, self._rebuild = stage, True

    def _goal_wanted(self, goal: tuple[float, float, float]) -> None:
        if self._worker is None:
            house, doors = self._stage.house_map, self._stage.doors
            self._worker = RouteWorker(house, self._engine.robot, doors)
        self._wanted = goal
        self.show_news()

    def _no_goal(self, said: str) -> None:
        if self._worker:
            self._worker.cancel()
        self._wanted = self._ticket = None
        self.goal, self._note = None, ("stop", said)
        self._show_route(None)
        self.show_news()

    def _resize(self, value: float) -> None:
        if value not in self._engine.planners:
            ready = ", ".join(map(str, sorted(self._engine.planners)))
            raise InputError("candidates", value, f"one of {ready} (others are being compiled)")
        self.candidates = int(value)
        self.show_news()

    # ---- who holds what ------------------------------------------------------------------

    def _hold(self, page: int, what: Any, held: bool) -> None:
        # whoever takes it takes it from others
        self._held = {key: until for key, until in self._held.items() if key[1] != what}
        if held:
            self._held[page, what] = time.monotonic() + HELD_FOR

    def settle(self) -> None:
        """After some commands: what is held in silence is let go, what is blocked is worked out."""
        now = time.monotonic()
        self._drop([key for key, until in self._held.items() if until < now])
        if self._rebuild:
            self._stage, self._rebuild = staging.built(self._stage), False
            self._show_house()

    def _drop(self, keys: list[tuple[int, Any]]) -> None:
        """What somebody held who is not there any more: the robot stops, people stay."""
        for key in keys:
            del self._held[key]
            if key[1] == "goal":
                self._no_goal("The goal was let go by a page that is gone: the robot stops.")
            else:
                here = np.asarray(self.state.people.xy_map)[key[1]]
                self._stage = staging.with_person(self._stage, key[1], here)

    # ---- the way -------------------------------------------------------------------------

    def hear_of_the_way(self, look: bool) -> None:
        """What the route layer has found meanwhile; ``look``: it is to see what the robot sees."""
        if not self._worker:
            return
        if self._wanted and self._ticket is None:
            # one search at a time: a goal that is dragged would else never be found
            here = np.asarray(self.state.pose, np.float64)
            self._ticket, self._wanted = self._worker.ask(here, self._wanted), None
        elif self.goal is not None and look and self._ticket is None:
            self._worker.look(self._look())
        answer = self._worker.poll()
        if answer is None or isinstance(answer, Cancelled):  # who cancelled said why
            return
        self._ticket = None
        tone, said = answered(answer)
        if isinstance(answer, Found):
            self._field = _on_device(answer.route.field)
            if not answer.makes_way:
                self.goal = answer.route.goal_map
                aim = jnp.asarray(self.goal, jnp.float32)
                scene = dataclasses.replace(self._stage.scene, goal_map=aim)
                self._stage = dataclasses.replace(self._stage, scene=scene)
            self._show_route(self._field)
        elif said:
            self.goal = None
        self._note = (tone, said)
        self.show_news()

    def _look(self) -> Look:
        robot, belief = self.state.robot, self.state.belief
        local_map, tracks, pose, house_from_map, now = jax.device_get(
            (
                robot.local_map.grid,
                robot.tracks,
                self.state.pose,
                localise(belief, self.state.pose),
                self.state.time,
            )
        )
        standing, walking = by_motion(tracks.xy_map, tracks.velocity_map, tracks.valid)
        return Look(
            local_map=local_map,
            pose=pose,
            house_from_map=house_from_map,
            standing_map=standing,
            walking_map=walking,
            time=float(now),
        )

    # ---- what is shown of it ---------------------------------------------------------------

    def _bodies(self) -> np.ndarray:
        """(x, y, radius) of the robot and everybody."""
        people, scene, robot = self.state.people, self._stage.scene, self._engine.robot
        present = np.asarray(scene.present)
        others = np.column_stack([np.asarray(people.xy_map), np.asarray(scene.radius)])[present]
        reach = 0.5 * math.hypot(robot.length, robot.width)
        return np.vstack([[*np.asarray(self.state.pose)[:2], reach], others])

    def _show_house(self) -> None:
        engine = self._engine
        message = house_message(engine.robot, engine.config, self._stage, self._sizes)
        self._slots.put(Kind.HOUSE, message)

    def _show_route(self, field: RouteField | None) -> None:
        message = route_message(self._engine.robot, self._stage, field)
        self._slots.put(Kind.ROUTE, message)

    def show_news(self) -> None:
        """Settings as they are, and which planners are ready; from any thread."""
        head = {
            "phase": "driving",
            "paused": self.paused,
            "goal": self.goal,
            "values": self.values,
            "candidates": self.candidates,
            "ready": sorted(self._engine.planners),
            "tone": self._note[0],
            "note": self._note[1],
        }
        self._slots.put(Kind.NEWS, pack(Kind.NEWS, head, {}))


def _on_device(field: RouteField) -> RouteField:
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float32)), field)
