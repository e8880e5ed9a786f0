"""The route layer of many episodes, spread over processes.                             [host]

Robots that drive together on an accelerator look at their ways at the same time; each process
keeps the guidance of its own share of them, so that only what they see and the fields that have
changed travel.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from astro_jax.config import RobotConfig
from astro_jax.route.guidance import Guidance, Look, look_again
from astro_jax.route.house import HouseMap
from astro_jax.route.planner import plan_route
from astro_jax.types import RouteField


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A question of the way."""

    house_map: HouseMap
    robot: RobotConfig
    start: Float[np.ndarray, "3"]
    aim: Float[np.ndarray, "3"]


class Desk:
    """Answers for some of the robots, by their numbers."""

    def __init__(self) -> None:
        self._guided: dict[int, Guidance] = {}

    def begin(self, asked: Mapping[int, Asked]) -> dict[int, RouteField]:
        """The first way of each; who was guided before is forgotten.

        Raises:
          InputError: a start or a goal that cannot be used.
          UnreachableError: there is no way between them.
        """
        self._guided = {
            number: Guidance(route=plan_route(one.house_map, one.robot, one.start, one.aim))
            for number, one in asked.items()
        }
        return {number: _plain(own.route.field) for number, own in self._guided.items()}

    def look(self, looks: Mapping[int, Look]) -> dict[int, RouteField]:
        """The fields of those whose way has changed by what they see."""
        changed = {}
        for number, look in looks.items():
            before = self._guided[number]
            self._guided[number] = after = look_again(before, look)
            if after.route is not before.route:
                changed[number] = _plain(after.route.field)
        return changed

    def searches(self, numbers: Sequence[int]) -> dict[int, int]:
        """How often each way was searched for."""
        return {number: self._guided[number].route.searches for number in numbers}


class Guides:
    """As a desk, with everybody's work shared out."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes, self._own = pipes, Desk()

    def begin(self, asked: Sequence[Asked]) -> list[RouteField]:
        """See ``Desk.begin``; robots are numbered as they come."""
        found = self._shared(Desk.begin, dict(enumerate(asked)))
        return [found[number] for number in range(len(asked))]

    def look(self, looks: Mapping[int, Look]) -> dict[int, RouteField]:
        """See ``Desk.look``."""
        return self._shared(Desk.look, looks)

    def searches(self, count: int) -> list[int]:
        """Of the first ``count`` robots."""
        found = self._shared(Desk.searches, {number: None for number in range(count)})
        return [found[number] for number in range(count)]

    def _shared(self, ask: Callable[..., dict[int, Any]], work: Mapping[int, Any]) -> Any:
        if not self._pipes:
            return ask(self._own, work)
        for k, pipe in enumerate(self._pipes):
            pipe.send((ask, {n: one for n, one in work.items() if n % len(self._pipes) == k}))
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return {number: one for answer in answers for number, one in answer.items()}


@contextlib.contextmanager
def guides(processes: int) -> Iterator[Guides]:
    """The route layer in so many processes; with one it runs in this one."""
    context = get_context("spawn")
    pipes: list[Connection] = []
    workers = []
    with _without_accelerator():
        for _ in range(processes if processes > 1 else 0):
            here, there = context.Pipe()
            worker = context.Process(target=_serve, args=(there,), daemon=True)
            worker.start()
            there.close()
            pipes.append(here)
            workers.append(worker)
    try:
        yield Guides(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for worker in workers:
            worker.join()


@contextlib.contextmanager
def _without_accelerator() -> Iterator[None]:
    """What is started meanwhile leaves it to those who drive."""
    before = os.environ.get("JAX_PLATFORMS")
    os.environ["JAX_PLATFORMS"] = "cpu"
    try:
        yield
    finally:
        if before is None:
            del os.environ["JAX_PLATFORMS"]
        else:
            os.environ["JAX_PLATFORMS"] = before


def _serve(pipe: Connection) -> None:
    """Until the other end is closed."""
    desk = Desk()
    while True:
        try:
            ask, work = pipe.recv()
        except EOFError:
            return
        try:
            answer = ask(desk, work)
        except Exception as error:  # the one who asked has to know
            answer = error
        pipe.send(answer)


def _plain(field: RouteField) -> RouteField:
    return jax.tree.map(np.asarray, field)
