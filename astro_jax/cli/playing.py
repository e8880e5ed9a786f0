"""``astro-jax play``: the live page.                                                   [host]"""

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from astro_jax.cli.given import check_from, configuration
from astro_jax.errors import InputError

if TYPE_CHECKING:
    from astro_jax.play.setup import Wish

MOST_PORTS = 65535


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlayCommand:
    """Drive a robot on a live page: drag its goal, walk people in its way, shut doors."""

    map: Path | None = None
    """map_server YAML to drive on; without it the packaged flat."""
    port: int = 8765
    """Of the page, on this machine; 0 is any that is free."""
    host: str = "127.0.0.1"
    """Address to listen on; any other than this machine's own needs --allow-remote."""
    allow_remote: bool = False
    """Let other machines connect: whoever has the token that is printed can steer the robot."""
    people: int = 3
    """How many people walk about."""
    candidates: tuple[int, ...] = (600, 100, 320)
    """How many motions the planner weighs: the first number at first, the others to choose from."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of people, noise and search."""


def play(command: PlayCommand) -> None:
    """Serve the page until interrupted; an InputError if anything given is unusable."""
    wish = _wish(command)
    if not 0 <= command.port <= MOST_PORTS:
        raise InputError("port", command.port, f"a number from 0 to {MOST_PORTS}")
    try:
        import websockets  # noqa: F401
    except ImportError as error:
        expected = "installed: pip install 'astro-jax[play]'"
        raise InputError("websockets", "missing", expected) from error
    asyncio.run(_serve(command, wish))


def _wish(command: PlayCommand) -> "Wish":
    robot, planner, params = configuration(command.robot, command.planner)
    check_from("seed", command.seed, 0)
    if not command.candidates:
        raise InputError("candidates", "()", "at least one number")
    for size in reversed(command.candidates):
        planner = dataclasses.replace(planner, candidates=size)
        for field, value, expected in planner.problems(robot):
            raise InputError(field, value, expected)
    if not 0 <= command.people <= planner.people:
        raise InputError("people", command.people, f"a number from 0 to {planner.people}")
    from astro_jax.play.setup import Wish
    from astro_jax.route.maps import load_map

    if command.map is not None:
        load_map(command.map)
    return Wish(
        robot=robot,
        planner=planner,
        params=params,
        sizes=tuple(sorted(set(command.candidates))),
        map=command.map,
        people=command.people,
        seed=command.seed,
    )


async def _serve(command: PlayCommand, wish: "Wish") -> None:
    from astro_jax.deploy.cache import own_cache
    from astro_jax.play.doorkeeper import doorkeeper
    from astro_jax.play.layout import Kind, unpack
    from astro_jax.play.process import Control
    from astro_jax.play.server import Site, listen

    doorkeeper(command.host, command.port, command.allow_remote)
    listening = listen(command.host, command.port)
    port = listening.getsockname()[1]
    keeper = doorkeeper(command.host, port, command.allow_remote)
    loop, ended, failure = asyncio.get_running_loop(), asyncio.Event(), ""

    def hear(message: bytes) -> None:
        nonlocal failure
        site.hear(message)
        if message[1] == Kind.NEWS:
            _, head, _ = unpack(message)
            failure = head["note"] if head["phase"] == "failed" else ""

    site = Site(keeper, lambda page, said: control.tell(page, said))
    server = await site.start(listening)

    def gone() -> None:
        loop.call_soon_threadsafe(ended.set)

    # a cache that the user has chosen for JAX stays in use
    cache = None if os.environ.get("JAX_COMPILATION_CACHE_DIR") else own_cache()
    control = Control(wish, cache, hear, gone)
    host = f"[{command.host}]" if ":" in command.host else command.host
    address = f"http://{host}:{port}/" + (f"?token={keeper.token}" if keeper.token else "")
    Console().print(f"open {address}", highlight=False, soft_wrap=True)
    Console().print("compiling takes a minute the first time; Ctrl-C ends it", style="dim")
    try:
        await ended.wait()
        raise InputError("planner", failure or "ended by itself", "a control loop that runs")
    finally:
        server.close()
        control.close()
