"""The route worker's process: goals and looks in, the way out, on demand.             [host]

Goals come from the command line, and from the wire if they are to count there.  The robot's place
in the house comes from the planner, with what its local map shows.  When this process dies the last
way still guides; the one that is started after it waits for a new goal.
"""

import sys
import time
from pathlib import Path

import numpy as np

from astro_jax.errors import InputError, MessageError
from astro_jax.process.asked import Asked
from astro_jax.process.beats import Beats
from astro_jax.process.buttons import ALL, Buttons
from astro_jax.process.ears import frames_of
from astro_jax.process.folder import Start, write_stats
from astro_jax.process.mailbox import Letter, Mailbox
from astro_jax.process.parts import artifact_of, joined
from astro_jax.process.rights import few_pauses, resident
from astro_jax.process.split import layouts, part
from astro_jax.process.ways import put_way
from astro_jax.route.guidance import Look, by_motion
from astro_jax.route.maps import load_map
from astro_jax.route.worker import Cancelled, Found, RouteWorker
from astro_jax.types import Grid
from astro_jax.wire.sensed import clock_offset
from astro_jax.wire.told import occupancy_grid
from astro_jax.wire.topics import CANCEL, GOAL, MAP
from astro_jax.world.content import heading
from astro_jax.world.inbox import SECOND

EVERY = 0.05
"""Between two looks for news, s."""
SETTLES = 0.5
"""A search is given so long before a newer goal overtakes it, s: whoever sends goals faster than
ways are found would otherwise never be answered."""


def run_route(folder: Path, start: Start) -> int:
    """Search until the gate says so, or is gone."""
    worker = _Route(folder, start)
    print("robot: route worker ready", file=sys.stderr, flush=True)
    try:
        worker.run()
    finally:
        worker.end()
    return 0


class _Route:
    def __init__(self, folder: Path, start: Start) -> None:
        artifact = artifact_of(start)
        kinds = layouts(artifact)
        robot = artifact.settings.robot
        self._folder, self._start, self._room = folder, start, artifact.manifest.house
        self._frame = frames_of(robot).house
        self._look = Mailbox(folder / "look.box", kinds.look)
        self._way = Mailbox(folder / "way.box", kinds.way, writes=True)
        self._map = load_map(start.map)
        # an unreadable goal is refused before there is a place to start from
        self._wanted = None if self._way.count else start.goal
        self._wire = joined(
            start.wire,
            folder,
            (GOAL, CANCEL, *ALL) if start.listen else (),
            start.domain,
            start.interface,
        )
        self._buttons = Buttons()
        self._worker = RouteWorker(self._map, robot)
        self._beats = Beats(folder / "beats.box")
        self._counts = {"goals": 0, "refused goals": 0, "cancelled": 0, "ways": 0, "no way": 0}
        self._said, self._asked = "", -np.inf
        self._seen: Letter | None = None

    def run(self) -> None:
        """Look for news every ``EVERY`` seconds."""
        asked = Asked()
        few_pauses()
        offset, now = clock_offset(), time.monotonic_ns()
        self._wire.publish(MAP, occupancy_grid(self._frame, self._map, now, offset))
        while not asked.to_end:
            self._beats.beat("route")
            self._listen()
            self._see()
            busy = time.monotonic() - self._asked < SETTLES
            if self._wanted is not None and self._seen is not None and not busy:
                self._asked = time.monotonic()
                goal, self._wanted = self._map.to_house(self._wanted), None
                self._worker.ask(self._seen.arrays["pose_house"].astype(float), goal)
                self._counts["goals"] += 1
            self._answer()
            time.sleep(EVERY)

    def _listen(self) -> None:
        for topic, message in self._wire.take():
            if topic in ALL:
                self._buttons.hear(topic, message)
                continue
            if topic is CANCEL:
                if message["data"]:
                    self._wanted = None
                    self._worker.cancel()
                    self._counts["cancelled"] += 1
                continue
            try:
                if self._buttons.holds():
                    raise MessageError("goal", "while the emergency stop holds", "one after it")
                self._wanted = _goal_of(message, self._frame)
            except MessageError as error:
                self._counts["refused goals"] += 1
                self._said = str(error)

    def _see(self) -> None:
        letter = self._look.read(0 if self._seen is None else self._seen.count)
        if letter is None:
            return
        self._seen = letter
        grid = part(("local_map.grid.",), letter.arrays)
        seen = letter.arrays
        standing, walking = by_motion(seen["xy_map"], seen["velocity_map"], seen["valid"])
        self._worker.look(
            Look(
                local_map=Grid(**{name.rpartition(".")[2]: a for name, a in grid.items()}),  # type: ignore[arg-type]
                pose=seen["pose_house"],
                house_from_map=seen["house_from_map"],
                standing_map=standing,
                walking_map=walking,
                time=letter.numbers["time"] / SECOND,
            )
        )

    def _answer(self) -> None:
        answer = self._worker.poll()
        if answer is None:
            return
        self._asked = -np.inf
        found = isinstance(answer, Found)
        put_way(self._way, answer.ticket, answer.route.field if found else None, self._room)
        self._counts["ways" if found else "no way"] += 1
        if not found and not isinstance(answer, Cancelled):
            why = getattr(answer, "error", getattr(answer, "failure", "no answer in time"))
            self._said = str(why)
            print(f"robot: no way: {why}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """It is written down how it went."""
        self._worker.close()
        write_stats(
            self._folder,
            "route",
            {
                **self._counts,
                "said": self._said,
                "wire": dict(self._wire.counts),
                "resident MB": round(resident(), 1),
            },
        )
        self._wire.close()


def _goal_of(message, frame: str) -> tuple[float, float, float]:
    """(x, y, yaw) of a geometry_msgs/PoseStamped in the house's frame.

    Raises:
      MessageError: it is in another frame, not finite, or not upright.
    """
    if message["header"]["frame_id"] != frame:
        raise MessageError("frame", message["header"]["frame_id"], frame, "goal")
    position, turned = message["pose"]["position"], message["pose"]["orientation"]
    x, y = float(position["x"]), float(position["y"])
    if not np.isfinite([x, y]).all():
        raise MessageError("position", [x, y], "finite numbers", "goal")
    return x, y, heading([turned[name] for name in "xyzw"], "orientation", "goal")


def check_goal(start: Start) -> None:
    """Nothing, if map and goal of a start make sense.

    Raises:
      InputError: they do not.
    """
    house = load_map(start.map)
    if start.goal is None:
        return
    place = house.to_house(start.goal)
    if not np.isfinite(place).all() or house.blocked_at(place[:2]):
        raise InputError("goal", list(start.goal), "a free place on the map", start.map)
