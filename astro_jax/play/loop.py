"""The control loop of the live page: the real stack at its own rates, whoever watches.   [host]

One thread.  Commands come out of a bounded box, messages go into slots of which only the newest
count: nothing in here waits for a page.  The route layer searches beside it, in its own worker.
"""

import dataclasses
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.play import commands as ask
from astro_jax.play import stage as staging
from astro_jax.play.engine import Cycle, Engine, Given, run_cycle
from astro_jax.play.frame import frame_message, house_message, route_message
from astro_jax.play.layout import Kind, pack
from astro_jax.play.moment import Moment, moment_to_json, outcome_of
from astro_jax.play.sliders import STARTS, moved, settings
from astro_jax.play.slots import Box, Slots
from astro_jax.play.words import answered
from astro_jax.route.guidance import Look
from astro_jax.route.worker import Found, RouteWorker
from astro_jax.sim.closed_loop import STANDING
from astro_jax.sim.odometry import localise
from astro_jax.sim.state import SimState, nothing_told
from astro_jax.types import RouteField

REMEMBERED = 600
"""Cycles that can be exported: a minute, about .4 MB each."""
LOOKS = 5
"""Cycles between two looks of the route layer at the local map."""
HELD_FOR = 1.0
"""Whoever holds something and says nothing for so long has let go, s."""
IDLE = 0.05
"""How often a loop that stands still looks at its box, s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """What everything begins with, and goes back to."""

    stage: staging.Stage
    field: RouteField
    goal: tuple[float, float, float]
    state: SimState
    params: PlannerParams


class Loop:
    """Runs in a thread of its own from ``run`` to ``close``."""

    def __init__(
        self,
        engine: Engine,
        start: Start,
        sizes: tuple[int, ...],
        slots: Slots,
        box: Box,
        answer: Callable[[int, dict[str, Any]], None] = lambda page, said: None,
    ) -> None:
        """Ready to run; ``answer`` gets what is for one page alone and must not wait."""
        self._engine, self._start, self._sizes = engine, start, sizes
        self._slots, self._box, self._answer = slots, box, answer
        self._closed = threading.Event()
        self._history: deque[tuple[Moment, SimState, Cycle]] = deque(maxlen=REMEMBERED)
        self._worker: RouteWorker | None = None
        self.cycles = 0
        """Run so far."""
        self._reset()

    def close(self) -> None:
        """End after the cycle under way."""
        self._closed.set()

    def run(self) -> None:
        """Cycle after cycle, until closed."""
        self._due = time.perf_counter()
        try:
            while not self._closed.is_set():
                self._obey_all()
                self._let_go()
                if self._paused and not self._steps:
                    self._box.wait(IDLE)
                    self._due = time.perf_counter()
                    continue
                self._steps = max(self._steps - 1, 0)
                self._cycle()
        finally:
            if self._worker:
                self._worker.close()

    # ---- one cycle -----------------------------------------------------------------

    def _cycle(self) -> None:
        began = time.perf_counter()
        self._hear_of_the_way()
        world, params = settings(self._start.params, self._values)
        given = Given(world=world, params=params, scene=self._stage.scene, field=self._field)
        told = dataclasses.replace(nothing_told(), halted=jnp.asarray(self._goal is None))
        # the referee judges on after an arrival
        state = dataclasses.replace(self._state, told=told, arrived_at=jnp.float32(jnp.inf))
        moment = Moment(cycle=self.cycles, candidates=self._candidates, given=given, state=state)
        lead = time.perf_counter() - began
        self._state, cycle = run_cycle(
            self._engine, self._candidates, given, state, wait=self._wait_for_tick
        )
        self._history.append((moment, self._state, cycle))
        self._arrived = self._goal is not None and math.isfinite(float(self._state.arrived_at))
        began = time.perf_counter()
        self._timing.update({k: 1e3 * v for k, v in cycle.seconds.items()}, lead=1e3 * lead)
        frame = frame_message(
            self.cycles,
            cycle,
            self._state,
            self._goal is not None,
            self._arrived,
            self._timing | {"hz": self._rate(), "late": self._late},
        )
        self._slots.put(Kind.FRAME, frame)
        self._timing["frame"] = 1e3 * (time.perf_counter() - began)
        self.cycles += 1
        self._wait_for_cycle()

    def _wait_for_tick(self, tick: int) -> None:
        period = self._engine.config.gate_period / self._values["pace"]
        _sleep_until(self._due + tick * period)

    def _wait_for_cycle(self) -> None:
        period = self._engine.config.period / self._values["pace"]
        self._due += period
        now = time.perf_counter()
        if now > self._due + period:
            # what is missed is not caught up on
            self._late += self._values["pace"] <= 1.0
            self._due = now
        _sleep_until(self._due)
        self._ends.append(time.perf_counter())

    def _rate(self) -> float:
        """Cycles per second, over the last second's."""
        if len(self._ends) < 2:
            return 0.0
        return (len(self._ends) - 1) / max(self._ends[-1] - self._ends[0], 1e-6)

    def _hear_of_the_way(self) -> None:
        if not self._worker:
            return
        if self._goal is not None and self.cycles % LOOKS == 0:
            self._worker.look(self._look())
        answer = self._worker.poll()
        if answer is None:
            return
        tone, said = answered(answer)
        if isinstance(answer, Found):
            self._field = _on_device(answer.route.field)
            self._goal = answer.route.goal_map
            self._aim(self._goal)
            self._show_route()
        elif said:
            self._goal = None
        self._note = (tone, said)
        self._show_news()

    def _look(self) -> Look:
        robot, belief = self._state.robot, self._state.belief
        local_map, tracks, pose, house_from_map, now = jax.device_get(
            (
                robot.local_map.grid,
                robot.tracks,
                self._state.pose,
                localise(belief, self._state.pose),
                self._state.time,
            )
        )
        stands = tracks.valid & (np.hypot(*tracks.velocity_map.T) < STANDING)
        return Look(
            local_map=local_map,
            pose=pose,
            house_from_map=house_from_map,
            standing_map=tracks.xy_map[stands],
            time=float(now),
        )

    # ---- what pages ask for ------------------------------------------------------------

    def _obey_all(self) -> None:
        before = self._stage
        for page, command in self._box.take():
            try:
                self._obey(page, command)
            except InputError as error:
                self._answer(page, {"error": str(error)})
        if self._stage is not before:
            if (self._stage.closed, id(self._stage.painted)) != (before.closed, id(before.painted)):
                self._stage = staging.built(self._stage)
            self._show_house()

    def _obey(self, page: int, command: ask.Command | None) -> None:
        match command:
            case None:
                self._drop([key for key in self._held if key[0] == page])
            case ask.Goal(x=x, y=y, yaw=yaw, faces=faces, held=held):
                self._hold(page, "goal", held)
                here = np.asarray(self._state.pose, np.float64)
                yaw = yaw if faces else math.atan2(y - here[1], x - here[0])
                self._goal_wanted(here, (x, y, yaw))
            case ask.Stop():
                self._no_goal("")
            case ask.Person(who=who, x=x, y=y, held=held):
                self._stage = staging.with_person(self._stage, who, (x, y))
                self._hold(page, who, held)
            case ask.Walk(who=who, x=x, y=y):
                here = np.asarray(self._state.people.xy_map)
                begin = here[min(who, len(here) - 1)]
                self._stage = staging.with_walk(self._stage, who, begin, (x, y))
            case ask.Door(which=which, closed=closed):
                self._stage = staging.with_door(self._stage, which, closed, self._bodies())
            case ask.Paint(x=x, y=y, erase=erase):
                self._stage = staging.with_paint(self._stage, x, y, erase, self._bodies())
            case ask.Set(name="candidates", value=value):
                self._resize(value)
            case ask.Set(name=name, value=value):
                self._values = moved(self._values, name, value)
                self._show_news()
            case ask.Pause(on=on):
                self._paused, self._steps = on, 0
                self._show_news()
            case ask.Step():
                self._paused, self._steps = True, self._steps + 1
                self._show_news()
            case ask.Reset():
                self._reset()
            case ask.Export(cycle=cycle):
                self._export(page, cycle)

    def _goal_wanted(self, here: np.ndarray, goal: tuple[float, float, float]) -> None:
        if self._worker is None:
            house, doors = self._stage.house_map, self._stage.doors
            self._worker = RouteWorker(house, self._engine.robot, doors)
        self._worker.ask(here, goal)
        self._show_news()

    def _no_goal(self, said: str) -> None:
        if self._worker:
            self._worker.cancel()
        self._goal, self._arrived, self._note = None, False, ("stop", said)
        self._slots.put(Kind.ROUTE, route_message(self._engine.robot, self._stage, None))
        self._show_news()

    def _resize(self, value: float) -> None:
        if value not in self._engine.planners:
            ready = ", ".join(map(str, sorted(self._engine.planners)))
            raise InputError("candidates", value, f"one of {ready} (others are being compiled)")
        self._candidates = int(value)
        self._show_news()

    def _export(self, page: int, number: int) -> None:
        found = next((entry for entry in self._history if entry[0].cycle == number), None)
        if found is None:
            first = self._history[0][0].cycle if self._history else 0
            raise InputError("cycle", number, f"from {first} to {self.cycles - 1}")

        def write() -> None:
            moment, after, cycle = found
            robot, config = self._engine.robot, self._engine.config
            text = moment_to_json(robot, config, moment, outcome_of(after, cycle.ticks))
            self._answer(page, {"moment": text, "cycle": number})

        threading.Thread(target=write, name="export", daemon=True).start()

    # ---- who holds what ------------------------------------------------------------------

    def _hold(self, page: int, what: Any, held: bool) -> None:
        self._held.pop((page, what), None)
        if held:
            self._held[page, what] = time.monotonic() + HELD_FOR

    def _let_go(self) -> None:
        now = time.monotonic()
        self._drop([key for key, until in self._held.items() if until < now])

    def _drop(self, keys: list[tuple[int, Any]]) -> None:
        """What somebody held who is not there any more: the robot stops, people stay."""
        for key in keys:
            del self._held[key]
            if key[1] == "goal":
                self._no_goal("Whoever held the goal has gone: the robot stops.")
            else:
                here = np.asarray(self._state.people.xy_map)[key[1]]
                self._stage = staging.with_person(self._stage, key[1], here)

    # ---- the state of it all -----------------------------------------------------------

    def _reset(self) -> None:
        start = self._start
        if self._worker:
            self._worker.close()
        self._worker = None
        self._stage, self._state, self._field = start.stage, start.state, start.field
        self._goal: tuple[float, float, float] | None = None
        self._values = dict(STARTS)
        self._candidates = self._engine.config.candidates
        self._arrived, self._paused, self._steps = False, False, 0
        self._note = ("good", "")
        self._held: dict[tuple[int, Any], float] = {}
        self._timing: dict[str, float] = {"frame": 0.0}
        self._late, self._due = 0, time.perf_counter()
        self._ends: deque[float] = deque(maxlen=11)
        self._show_house()
        self._goal_wanted(np.asarray(start.state.pose, np.float64), start.goal)

    def _aim(self, goal: tuple[float, float, float]) -> None:
        scene = dataclasses.replace(self._stage.scene, goal_map=jnp.asarray(goal, jnp.float32))
        self._stage = dataclasses.replace(self._stage, scene=scene)

    def _bodies(self) -> np.ndarray:
        """(x, y, radius) of the robot and everybody."""
        people, scene, robot = self._state.people, self._stage.scene, self._engine.robot
        present = np.asarray(scene.present)
        others = np.column_stack([np.asarray(people.xy_map), np.asarray(scene.radius)])[present]
        reach = 0.5 * math.hypot(robot.length, robot.width)
        return np.vstack([[*np.asarray(self._state.pose)[:2], reach], others])

    def _show_house(self) -> None:
        engine = self._engine
        message = house_message(engine.robot, engine.config, self._stage, self._sizes)
        self._slots.put(Kind.HOUSE, message)

    def _show_route(self) -> None:
        message = route_message(self._engine.robot, self._stage, self._field)
        self._slots.put(Kind.ROUTE, message)

    def show_ready(self) -> None:
        """Another size of planner has been compiled."""
        self._show_news()

    def _show_news(self) -> None:
        head = {
            "phase": "driving",
            "paused": self._paused,
            "goal": self._goal,
            "values": self._values,
            "candidates": self._candidates,
            "ready": sorted(self._engine.planners),
            "tone": self._note[0],
            "note": self._note[1],
        }
        self._slots.put(Kind.NEWS, pack(Kind.NEWS, head, {}))


def _on_device(field: RouteField) -> RouteField:
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float32)), field)


def _sleep_until(due: float) -> None:
    left = due - time.perf_counter()
    if left > 0.0:
        time.sleep(left)
