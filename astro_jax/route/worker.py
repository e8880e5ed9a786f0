"""The route layer beside the control loop: a worker of its own, the newest question wins. [host]

In: goals, cancels, and looks of the local map.  Out: answers, each once.  No call waits for a
search; until there is a new answer the last field guides.  A question that a newer one has
overtaken gets no answer, so that a flood of goals costs one search at a time and no memory.

A thread is enough: the searches are compiled and leave the interpreter to others.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from jaxtyping import Bool

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.blocker import Blocker, blocker
from astro_jax.route.goals import Goal
from astro_jax.route.guidance import Guidance, Look, look_again
from astro_jax.route.house import Door, HouseMap, Numbers
from astro_jax.route.planner import Route, plan_route
from astro_jax.route.zones import closed_cells

LIMIT = 2.0
"""A question that is not answered by then has timed out, s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """There is a way; ``route`` replaces the last one."""

    ticket: int
    route: Route
    makes_way: bool = False
    """It leads to where somebody can pass; the way to the goal comes again later."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unreachable:
    """Both ends are fine, but there is no way, or none any more."""

    ticket: int
    failure: UnreachableError
    blocker: Blocker | None
    """What to open or clear first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refused:
    """The question makes no sense: start or goal are off the map, in a wall, no numbers."""

    ticket: int
    error: InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cancelled:
    """As was asked for: there is no goal any more."""

    ticket: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimedOut:
    """No answer within ``LIMIT``; one that comes later is not heard."""

    ticket: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failed:
    """The search itself broke down: a defect."""

    ticket: int
    error: Exception


Answer = Found | Unreachable | Refused | Cancelled | TimedOut | Failed


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Question:
    ticket: int
    start: Numbers
    goal: Goal
    asked: float


class RouteWorker:
    """One thread, one question, one look and one answer at a time: the newest of each.

    All methods may be called from any thread; none of them blocks for longer than it takes to
    put a value down.
    """

    def __init__(
        self,
        house_map: HouseMap,
        robot: RobotConfig,
        doors: Sequence[Door] = (),
        limit: float = LIMIT,
        plan: Callable[[HouseMap, RobotConfig, Numbers, Goal], Route] = plan_route,
    ) -> None:
        """Start the thread; ``plan`` may be one that remembers doors."""
        self._house_map, self._robot, self._doors = house_map, robot, tuple(doors)
        self._limit, self._plan = limit, plan
        self._news = threading.Condition()
        self._tickets = 0
        self._question: _Question | None = None
        self._searching: _Question | None = None
        self._look: Look | None = None
        self._answer: Answer | None = None
        self._guidance: Guidance | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="route", daemon=True)
        self._thread.start()

    def ask(self, start: Numbers, goal: Goal) -> int:
        """Ask for the way to a goal; returns the ticket that its answer will carry."""
        with self._news:
            self._tickets += 1
            self._question = _Question(
                ticket=self._tickets, start=start, goal=goal, asked=time.monotonic()
            )
            self._searching = self._guidance = self._look = self._answer = None
            self._news.notify()
            return self._tickets

    def cancel(self) -> None:
        """There is no goal any more; what is being searched for is not heard."""
        with self._news:
            self._question = self._searching = self._guidance = self._look = None
            self._answer = Cancelled(ticket=self._tickets)

    def look(self, look: Look) -> None:
        """Hold what the robot sees against the route; an answer comes only if that changes it."""
        with self._news:
            self._look = look
            self._news.notify()

    def poll(self) -> Answer | None:
        """The newest answer, once; None if there is none yet."""
        with self._news:
            pending = self._searching or self._question
            if pending and time.monotonic() - pending.asked > self._limit:
                self._question = self._searching = None
                return TimedOut(ticket=pending.ticket)
            answer, self._answer = self._answer, None
            return answer

    def close(self) -> None:
        """End the thread, after the search that it is in."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closed or self._question or self._can_look())
                if self._closed:
                    return
                question, self._question = self._question, None
                self._searching = question
                guidance, look, self._look = self._guidance, self._look, None
            if question:
                self._settle(question, *self._answered(question))
            elif guidance and look:
                self._looked(guidance, look)

    def _can_look(self) -> bool:
        return self._look is not None and self._guidance is not None

    def _answered(self, question: _Question) -> tuple[Answer, Guidance | None]:
        ticket = question.ticket
        try:
            route = self._plan(self._house_map, self._robot, question.start, question.goal)
            return Found(ticket=ticket, route=route), Guidance(route=route)
        except UnreachableError as failure:
            way = self._blocker(question.start, failure, closed_cells(self._house_map))
            return Unreachable(ticket=ticket, failure=failure, blocker=way), None
        except InputError as error:
            return Refused(ticket=ticket, error=error), None
        except Exception as error:  # a thread that dies says nothing
            return Failed(ticket=ticket, error=error), None

    def _settle(self, question: _Question, answer: Answer, guidance: Guidance | None) -> None:
        with self._news:
            if self._searching is question:  # not overtaken, cancelled or timed out
                self._searching, self._answer, self._guidance = None, answer, guidance

    def _looked(self, before: Guidance, look: Look) -> None:
        ticket, answer, after = self._tickets, None, before
        try:
            after = look_again(before, look)
            failure = after.route.failure
            if failure and failure is not before.route.failure:
                blocked = after.route.closed | after.route.seen_blocked
                way = self._blocker(look.pose, failure, blocked)
                answer = Unreachable(ticket=ticket, failure=failure, blocker=way)
            elif after.route is not before.route and not failure:
                makes_way = after.onward is not None
                answer = Found(ticket=ticket, route=after.route, makes_way=makes_way)
        except Exception as error:
            answer = Failed(ticket=ticket, error=error)
        with self._news:
            if self._guidance is before:
                self._guidance = after
                self._answer = answer or self._answer

    def _blocker(
        self, start: Numbers, failure: UnreachableError, blocked: Bool[np.ndarray, "H W"]
    ) -> Blocker | None:
        goal = cast(Numbers, failure.value)
        try:
            return blocker(self._house_map, self._robot, start, goal, blocked, self._doors)
        except InputError:  # something stands on the goal
            return None
