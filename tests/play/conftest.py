import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import pytest

from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.play.commands import Command
from astro_jax.play.layout import Kind, unpack
from astro_jax.play.loop import Loop
from astro_jax.play.setup import Ready, Wish, prepare
from astro_jax.play.slots import Box, Slots
from tests.play.made_up import SMALL, write_map


@pytest.fixture(scope="session")
def ready(tmp_path_factory) -> Ready:
    """The small planner in the small home, compiled."""
    wish = Wish(
        robot=DEFAULT_ROBOT,
        planner=SMALL,
        params=PlannerParams(),
        sizes=(SMALL.candidates,),
        map=write_map(tmp_path_factory.mktemp("home")),
        people=1,
        seed=3,
    )
    # for a few cycles only: compiled in half the time, to run a quarter as fast
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        return prepare(wish)
    finally:
        jax.config.update("jax_disable_most_optimizations", False)


class Driven:
    """A loop with what it says; cycles are run one by one, as fast as they go."""

    def __init__(self, ready: Ready) -> None:
        self.slots, self.box = Slots(), Box()
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.answered = threading.Event()
        sizes = (SMALL.candidates,)
        self.loop = Loop(ready.engine, ready.start, sizes, self.slots, self.box, self._hear)

    def _hear(self, page: int, said: dict[str, Any]) -> None:
        self.answers.append((page, said))
        self.answered.set()

    def ask(self, *commands: Command | None, page: int = 1) -> None:
        """Put commands and run a cycle with them."""
        for command in commands:
            assert self.box.put((page, command))
        self.loop.turn()

    def newest(self, kind: Kind) -> tuple[dict[str, Any], dict[str, Any]]:
        """(Header, arrays) of the newest message of a kind."""
        for data in self.slots.newer(0)[1]:
            found, head, arrays = unpack(data)
            if found == kind:
                return head, arrays
        raise AssertionError(f"no {kind.name} yet")

    def until(self, holds: Callable[[], bool], most: int = 400) -> None:
        """Turn until something holds."""
        for _ in range(most):
            if holds():
                return
            self.loop.turn()
        raise AssertionError(self.newest(Kind.NEWS))

    def goal(self) -> list[float] | None:
        return self.newest(Kind.NEWS)[0]["goal"]

    def note(self) -> str:
        return self.newest(Kind.NEWS)[0]["note"]

    def frame(self) -> dict[str, Any]:
        return self.newest(Kind.FRAME)[0]


@pytest.fixture
def drive(ready) -> Iterator[Callable[[], Driven]]:
    made: list[Driven] = []

    def make() -> Driven:
        made.append(Driven(ready))
        return made[-1]

    yield make
    for driven in made:
        driven.loop.end()
