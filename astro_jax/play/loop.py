"""The control loop of the live page: the real stack at its own rates, whoever watches.   [host]

One thread.  Commands come out of a bounded box, messages go into slots of which only the newest
count: nothing in here waits for a page.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from astro_jax.errors import InputError
from astro_jax.play.director import Director, Start
from astro_jax.play.engine import Cycle, Engine, run_cycle
from astro_jax.play.frame import frame_message
from astro_jax.play.layout import Kind
from astro_jax.play.moment import Moment, moment_to_json, outcome_of
from astro_jax.play.slots import Box, Slots
from astro_jax.sim.state import SimState

REMEMBERED = 600
"""Cycles that can be exported: a minute, about .4 MB each."""
LOOKS = 5
"""Cycles between two looks of the route layer at the local map."""
IDLE = 0.05
"""How often a loop that stands still looks at its box, s."""


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
        self._engine, self._slots, self._box, self._answer = engine, slots, box, answer
        self._closed = threading.Event()
        self._history: deque[tuple[Moment, SimState, Cycle]] = deque(maxlen=REMEMBERED)
        self._exporting: threading.Thread | None = None
        self._cycles, self._late = 0, 0
        self._due = time.perf_counter()
        self._ends: deque[float] = deque(maxlen=11)
        self._timing: dict[str, float] = {"frame": 0.0}
        self._director = Director(engine, start, sizes, slots, self._export)

    def close(self) -> None:
        """End after the cycle under way."""
        self._closed.set()

    def end(self) -> None:
        """Nothing is searched for any more."""
        self._director.end()

    def show_ready(self) -> None:
        """Another size of planner has been compiled."""
        self._director.show_news()

    def run(self) -> None:
        """Turn after turn, until closed."""
        self._due = time.perf_counter()
        try:
            while not self._closed.is_set():
                self.turn()
        finally:
            self.end()

    def turn(self) -> None:
        """What was asked for, then a cycle, unless time stands still."""
        director = self._director
        for page, command in self._box.take():
            try:
                director.obey(page, command)
            except InputError as error:
                self._answer(page, {"error": str(error)})
        director.settle()
        if director.paused and not director.steps:
            self._box.wait(IDLE)
            self._due = time.perf_counter()
            return
        director.steps = max(director.steps - 1, 0)
        self._cycle()
        self._wait_for_cycle()

    def _cycle(self) -> None:
        director, began = self._director, time.perf_counter()
        director.hear_of_the_way(self._cycles % LOOKS == 0)
        moment = Moment(
            cycle=self._cycles,
            candidates=director.candidates,
            given=director.given(),
            state=director.told(),
        )
        lead = time.perf_counter() - began
        director.state, cycle = run_cycle(
            self._engine, moment.candidates, moment.given, moment.state, wait=self._wait_for_tick
        )
        self._history.append((moment, director.state, cycle))
        began = time.perf_counter()
        self._timing.update({k: 1e3 * v for k, v in cycle.seconds.items()}, lead=1e3 * lead)
        frame = frame_message(
            self._cycles,
            cycle,
            director.state,
            director.goal is not None,
            director.arrived,
            self._timing | {"hz": self._rate(), "late": self._late},
        )
        self._slots.put(Kind.FRAME, frame)
        self._timing["frame"] = 1e3 * (time.perf_counter() - began)
        self._cycles += 1

    # ---- the clock -------------------------------------------------------------------------

    def _wait_for_tick(self, tick: int) -> None:
        period = self._engine.config.gate_period / self._director.values["pace"]
        _sleep_until(self._due + tick * period)

    def _wait_for_cycle(self) -> None:
        pace = self._director.values["pace"]
        period = self._engine.config.period / pace
        self._due += period
        now = time.perf_counter()
        if now > self._due + period:
            # what is missed is not caught up on
            self._late += pace <= 1.0
            self._due = now
        _sleep_until(self._due)
        self._ends.append(time.perf_counter())

    def _rate(self) -> float:
        """Cycles per second, over the last ten."""
        if len(self._ends) < 2:
            return 0.0
        return (len(self._ends) - 1) / max(self._ends[-1] - self._ends[0], 1e-6)

    # ---- moments ---------------------------------------------------------------------------

    def _export(self, page: int, number: int) -> None:
        found = next((entry for entry in self._history if entry[0].cycle == number), None)
        if found is None:
            first = self._history[0][0].cycle if self._history else 0
            raise InputError("cycle", number, f"from {first} to {self._cycles - 1}")
        if self._exporting and self._exporting.is_alive():
            raise InputError("cycle", number, "the last moment to be written first")
        moment, after, cycle = found
        robot, config = self._engine.robot, self._engine.config

        def write() -> None:
            text = moment_to_json(robot, config, moment, outcome_of(after, cycle.ticks))
            self._answer(page, {"moment": text, "cycle": number})

        self._exporting = threading.Thread(target=write, name="export", daemon=True)
        self._exporting.start()


def _sleep_until(due: float) -> None:
    left = due - time.perf_counter()
    if left > 0.0:
        time.sleep(left)
