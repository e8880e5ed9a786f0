"""Recorded pedestrians as if each had been the robot.                                 [host]

A walker's track is smoothed, the way they go is their heading, their last place is the goal, and
the others are who they walk among.  A walker is faster than a home robot: the whole recording is
slowed down until the walker's brisk speed (the 90 % quantile of their own) is near the robot's
top speed, for everybody alike.  Ways then stay the ways they were, and how soon somebody gives way
becomes how soon the robot should.  Whoever walks slower than that is left as fast as they are.

Who walks in company is left out: friends touch shoulders, and what is learned from them is that
gaps do not matter.

Sources: see ``suites/eth_ucy.py``; the smoothing spline is Woltring's, A Fortran package for
generalized, cross-validatory spline smoothing, 1986, at a fixed smoothness.
"""

from collections import Counter

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_smoothing_spline

from astro_jax.config import RobotConfig
from astro_jax.learning.demonstrations import ELSEWHERE, Recorded, checked
from astro_jax.route.house import HouseMap
from astro_jax.suites.eth_ucy import STEP, Scene
from astro_jax.suites.passers_by import passers_by
from astro_jax.types import Kind

RADIUS = 0.22
"""Of everybody else, m."""
BODIES = 24
"""That are kept around a walker."""
SHORTEST, FAR_ENOUGH = 7.0, 4.0
"""What makes a drive: s recorded without a gap, m from where they began."""
SMOOTHNESS = 0.16
"""λ of the spline (s³): sways and clicks quicker than half a second are smoothed away."""
ENDS = 1.0
"""At either end, where the spline bends too little, so much of a track is left out, s."""
BRISK = 0.9
"""Quantile of a walker's speed that is taken for how fast they like to go."""
TOP = 0.95
"""Share of the robot's speed at which they do so."""
STANDING = 0.25
"""Below this speed a walker shows no way that they face, m/s."""
NEAR, ALIKE, TOGETHER = 1.2, 0.4, 0.5
"""In company: nearer (m) than this and as fast (m/s) for more than this share of the time."""
SPACING = 0.1
"""Of the samples that are made, s of the recording."""


def drives_of(
    recording: Scene, house: HouseMap, robot: RobotConfig
) -> tuple[list[Recorded], Counter[str]]:
    """Everybody who makes a drive, and how many were left out for what reason."""
    longest: dict[int, int] = {}
    for k, piece in enumerate(recording.pieces):
        person = recording.persons[k]
        if person not in longest or len(piece) > len(recording.pieces[longest[person]]):
            longest[person] = k
    drives, left_out = [], Counter()
    for k in longest.values():
        piece = recording.pieces[k]
        far = np.hypot(*(piece - piece[0]).T).max()
        if (len(piece) - 1) * STEP < SHORTEST or far < FAR_ENOUGH:
            left_out["too short"] += 1
            continue
        others, _ = passers_by(recording, k, len(piece), BODIES)
        if _in_company(piece, others):
            left_out["in company"] += 1
            continue
        drives.append(_drive(recording, k, others, house, robot))
    return drives, left_out


def _in_company(piece: Float[np.ndarray, "S 2"], others: Float[np.ndarray, "M S 2"]) -> bool:
    apart = np.hypot(*np.moveaxis(others - piece, -1, 0))[:, 1:]
    steps = np.diff(others, axis=1) - np.diff(piece, axis=0)
    differ = np.hypot(*np.moveaxis(steps, -1, 0)) / STEP
    return bool(((apart < NEAR) & (differ < ALIKE)).mean(axis=1).max() > TOGETHER)


def _drive(
    recording: Scene,
    who: int,
    others: Float[np.ndarray, "M S 2"],
    house: HouseMap,
    robot: RobotConfig,
) -> Recorded:
    piece = recording.pieces[who]
    known = np.arange(len(piece)) * STEP
    time = np.arange(ENDS, known[-1] - ENDS + 1e-9, SPACING)
    curves = [make_smoothing_spline(known, piece[:, axis], lam=SMOOTHNESS) for axis in (0, 1)]
    xy = np.stack([curve(time) for curve in curves], axis=-1)
    velocity = np.stack([curve.derivative()(time) for curve in curves], axis=-1)
    speed = np.hypot(*velocity.T)
    goes = np.flatnonzero(speed > STANDING)
    yaw = np.unwrap(np.arctan2(velocity[goes, 1], velocity[goes, 0]))
    pose = np.column_stack([xy, np.interp(time, time[goes], yaw)])
    pace = min(1.0, TOP * robot.speed / float(np.quantile(speed, BRISK)))
    there = np.abs(others).max(axis=-1) < ELSEWHERE
    marked = np.where(there[..., None], others, np.nan)
    # between a place and none there is none
    left = np.minimum((time / STEP).astype(int), len(piece) - 2)
    share = (time / STEP - left)[None, :, None]
    people = marked[:, left] * (1.0 - share) + marked[:, left + 1] * share
    met = there.any(axis=1)
    return checked(
        Recorded(
            name=f"{recording.name}/{recording.persons[who]}",
            time=(time - ENDS) / pace,
            pose=pose,
            people=np.moveaxis(people[met], 0, 1),
            radius=np.full(int(met.sum()), RADIUS),
            kind=np.full(int(met.sum()), int(Kind.PERSON)),
            goal=pose[-1],
            occupancy=house.occupancy,
            origin=np.asarray(house.origin, np.float64),
            resolution=float(house.resolution),
        )
    )
