"""Whom to follow: recorded pedestrians, and people who walk through a home.          [host]

The rules were written before any result was seen.

Recorded (ETH/UCY, ``suites/eth_ucy.py``): everybody who is recorded for at least 10 s without a
gap and comes at least 6 m from where they began; of these, in a seeded order, as many as asked for,
the places in turn.  The person stands for 2 s, as somebody who says "come with me", then walks as
recorded, at most 20 s.  The nearest others are there with them as recorded; before and after their
recording they walk on straight.  Nobody sees the robot.  Time is stretched so far that the 90 %
quantile of the person's speed is at most ``SLOWER`` of the robot's own: a robot is not asked to
follow whom it cannot keep up with.  The robot starts 1.5 m behind, facing them.

Homes: the packaged flat with a door that is shut in truth.  The person walks between four random
places, at .6 to .85 of the robot's speed (of 1.3 m/s if it is faster), after standing for 2 s, for
30 s in all; people step aside for the robot as for each other (``sim/walkers.py``).  Strata: they
just walk; stop three times for 2 to 6 s; turn back twice; three others walk about; all of it.
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.errors import InputError
from astro_jax.home import PATH_SPACING
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.query import standing
from astro_jax.route.waypoints import paths_through, walking_paths
from astro_jax.scenes import flat_scene, truth_blocked
from astro_jax.sim.scene import Scene, make_scene
from astro_jax.suites.eth_ucy import STEP, load_scenes
from astro_jax.suites.eth_ucy import Scene as Recording

BEHIND = 1.5
"""The robot starts so far behind the person, m."""
STANDS = 2.0
"""The person stands for so long at first, s."""
SLOWER = 0.85
LONGEST, SHORTEST, FAR = 20.0, 10.0, 6.0
"""Length of a recorded walk, s, and how far it leads at least, m."""
ARENA, CELL = 36.0, 0.1
"""Side of the empty square around recorded people, m, and its cells."""
HOME_SECONDS = 30.0
BRISK = 1.3
"""m/s."""
POINTS = 640
"""Capacity of a walk: a point every ``PATH_SPACING``."""
HOMES = ("home: walks", "home: stops", "home: turns back", "home: crossing", "home: all")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Chase:
    """One episode to be: whoever has index 0 is followed."""

    name: str
    stratum: str
    scene: Scene
    house_map: HouseMap
    seconds: float


def recorded_chases(
    folder: str | Path, robot: RobotConfig, config: PlannerConfig, count: int, seed: int
) -> list[Chase]:
    """``count`` episodes with recorded people, the places in turn.

    Raises:
      InputError: the folder holds no recordings, or nobody in them can be followed.
    """
    random = np.random.default_rng([seed, 11])
    queues = []
    for recording in load_scenes(folder):
        eligible = [k for k, piece in enumerate(recording.pieces) if _eligible(piece)]
        queues.append([(recording, int(k)) for k in random.permutation(eligible)])
    found = []
    while len(found) < count and any(queues):
        for queue in queues:
            if queue and len(found) < count:
                found.append(_recorded(robot, config, *queue.pop(0)))
    if not found:
        raise InputError("data", str(folder), "recordings with somebody who can be followed")
    return found


def home_chases(robot: RobotConfig, config: PlannerConfig, count: int, seed: int) -> list[Chase]:
    """``count`` episodes in the flat, the strata in turn."""
    return [home_chase(robot, config, HOMES[k % len(HOMES)], seed + k) for k in range(count)]


def _eligible(piece: Float[np.ndarray, "S 2"]) -> bool:
    far = np.hypot(*(piece - piece[0]).T).max()
    return len(piece) > SHORTEST / STEP and bool(far >= FAR)


# ---- recorded ------------------------------------------------------------------------


def _recorded(robot: RobotConfig, config: PlannerConfig, recording: Recording, who: int) -> Chase:
    piece, begin = recording.pieces[who], recording.begins[who]
    samples = min(len(piece), round(LONGEST / STEP) + 1)
    piece = piece[:samples]
    rests = round(STANDS / STEP)
    times = begin + np.arange(-rests, samples)  # in steps, of everybody
    target = np.concatenate([np.repeat(piece[:1], rests, axis=0), piece])
    others = [
        _at(path, times - first)
        for k, (path, first) in enumerate(zip(recording.pieces, recording.begins, strict=True))
        if k != who and first < times[-1] and first + len(path) > times[0] and len(path) > 1
    ]
    others.sort(key=lambda path: float(np.hypot(*(path - target).T).min()))
    kept = [target, *others[: config.people - 1]]
    centre = 0.5 * (target.min(axis=0) + target.max(axis=0))
    walks = np.zeros((config.people, round(LONGEST / STEP) + 1 + rests, 2))
    for k, path in enumerate(kept):
        walks[k, : len(path)] = path - centre
        walks[k, len(path) :] = walks[k, len(path) - 1]
    steps = np.hypot(*np.diff(piece, axis=0).T) / STEP
    stretch = max(1.0, float(np.quantile(steps, 0.9)) / (SLOWER * robot.speed))
    ahead = piece[min(3, samples - 1)] - piece[0]
    yaw = math.atan2(ahead[1], ahead[0])
    start = piece[0] - centre - BEHIND * np.array([math.cos(yaw), math.sin(yaw)])
    cells = round(ARENA / CELL)
    blocked = np.zeros((cells, cells), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    house = HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=CELL,
        origin=np.full(2, -0.5 * CELL * (cells - 1)),
        name=recording.name,
    )
    pose = np.array([*start, yaw])
    scene = make_scene(
        house.occupancy,
        blocked,
        house.origin,
        CELL,
        pose,
        pose + np.array([1e3, 0.0, 0.0]),
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        PATH_SPACING,
        config.people,
        0,
    )
    scene = dataclasses.replace(
        scene,
        present=jnp.arange(config.people) < len(kept),
        recorded_map=jnp.asarray(walks, jnp.float32),
        recorded_spacing=jnp.float32(STEP * stretch),
    )
    seconds = (samples - 1 + rests) * STEP * stretch
    return Chase(
        name=f"{recording.name} {who}",
        stratum=recording.name,
        scene=scene,
        house_map=house,
        seconds=seconds,
    )


def _at(path: Float[np.ndarray, "S 2"], steps: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N 2"]:
    """Where somebody is, straight on before their recording begins and after it ends."""
    inside = np.clip(steps, 0.0, len(path) - 1.0)
    known = np.arange(len(path))
    xy = np.stack([np.interp(inside, known, path[:, k]) for k in (0, 1)], axis=-1)
    before, after = path[1] - path[0], path[-1] - path[-2]
    beyond = (steps - inside)[:, None]
    return xy + np.minimum(beyond, 0.0) * before + np.maximum(beyond, 0.0) * after


# ---- at home -------------------------------------------------------------------------


def home_chase(robot: RobotConfig, config: PlannerConfig, stratum: str, seed: int) -> Chase:
    """One episode of a stratum of ``HOMES``."""
    flat = flat_scene()
    house = load_map(flat.map_path)
    blocked = truth_blocked(house, flat.doors)
    random = np.random.default_rng([seed, 5])
    kind = stratum.removeprefix("home: ")
    speed = float(random.uniform(0.6, 0.85)) * min(robot.speed, BRISK)
    walk, start = _walk_with_start(house, blocked, robot, random)
    if kind in ("stops", "all"):
        walk = _with_stops(walk, speed, random)
    if kind in ("turns back", "all"):
        walk = _with_turns(walk, random)
    rests = round(STANDS * speed / PATH_SPACING)
    walk = np.concatenate([np.repeat(walk[:1], rests, axis=0), walk])[:POINTS]
    count = 1 + (3 if kind in ("crossing", "all") else 0)
    paths, lengths = np.zeros((count, POINTS, 2), np.float32), np.full(count, 2, np.int32)
    paths[0, : len(walk)], paths[0, len(walk) :] = walk, walk[-1]
    lengths[0] = len(walk)
    if count > 1:
        paths[1:], lengths[1:] = walking_paths(
            house,
            count - 1,
            int(random.integers(2**31)),
            blocked=blocked,
            spacing=PATH_SPACING,
            capacity=POINTS,
        )
    scene = make_scene(
        house.occupancy,
        blocked,
        house.origin,
        house.resolution,
        start,
        start + np.array([1e3, 0.0, 0.0]),
        paths,
        lengths,
        PATH_SPACING,
        config.people,
        seed,
    )
    scene = dataclasses.replace(
        scene,
        walk_start=scene.walk_start.at[0].set(0.0),
        walk_speed=scene.walk_speed.at[0].set(speed),
    )
    return Chase(
        name=f"{stratum} {seed}",
        stratum=stratum,
        scene=scene,
        house_map=house,
        seconds=HOME_SECONDS,
    )


def _walk_with_start(
    house: HouseMap, blocked: np.ndarray, robot: RobotConfig, random: np.random.Generator
) -> tuple[Float[np.ndarray, "P 2"], Float[np.ndarray, "3"]]:
    """A walk between four places, and where the robot stands behind its beginning."""
    while True:
        legs, lengths = walking_paths(
            house, 3, int(random.integers(2**31)), blocked=blocked, min_length=5.0
        )
        places = [legs[0, 0], *(leg[n - 1] for leg, n in zip(legs, lengths, strict=True))]
        paths, counts = paths_through(
            house, [places], blocked=blocked, spacing=PATH_SPACING, capacity=POINTS
        )
        path = paths[0, : counts[0]].astype(np.float64)
        first = round(BEHIND / PATH_SPACING)
        if len(path) < 8 * first:
            continue
        ahead = path[4] - path[0]
        start = np.array([*path[0], math.atan2(ahead[1], ahead[0])])
        try:
            standing(house, robot, "start", start, blocked)
        except InputError:
            continue
        return path[first:], start


def _with_stops(
    walk: Float[np.ndarray, "P 2"], speed: float, random: np.random.Generator
) -> Float[np.ndarray, "P 2"]:
    """The point that a person walks after waits for them three times."""
    spots = np.sort(random.uniform(0.1, 0.9, 3) * len(walk)).astype(int)
    parts: list[np.ndarray] = []
    for first, last in zip([0, *spots], [*spots, len(walk)], strict=True):
        parts.append(walk[first:last])
        if last < len(walk):
            rests = round(float(random.uniform(2.0, 6.0)) * speed / PATH_SPACING)
            parts.append(np.repeat(walk[last : last + 1], rests, axis=0))
    return np.concatenate(parts)


def _with_turns(
    walk: Float[np.ndarray, "P 2"], random: np.random.Generator
) -> Float[np.ndarray, "P 2"]:
    """Twice the person goes back 2.5 m or more, and on again."""
    back = round(float(random.uniform(2.5, 4.0)) / PATH_SPACING)
    spots: Sequence[int] = np.sort(random.uniform(0.2, 0.7, 2) * len(walk)).astype(int).tolist()
    parts, first = [], 0
    for spot in spots:
        spot = max(spot, back + 1)
        parts += [walk[first:spot], walk[spot - back : spot][::-1], walk[spot - back : spot]]
        first = max(first, spot)
    return np.concatenate([*parts, walk[first:]])
