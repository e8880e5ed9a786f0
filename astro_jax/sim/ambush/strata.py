"""What lies in wait: one function per stratum draws an episode's script.            [host]

A seed is all there is to an episode: the same seed is the same script, in whatever batch.
"""

from collections.abc import Callable

import numpy as np

from astro_jax.config import RobotConfig
from astro_jax.sim.ambush.cast import DROPS, PEOPLE, Ambush
from astro_jax.sim.ambush.script import Script, written
from astro_jax.sim.ambush.trouble import WINDOWS, Fault

ELBOW_ROOM = 0.35
"""Nothing stands nearer to the robot's centre at the start than this, m."""


def draw(robot: RobotConfig, seed: int) -> Ambush:
    """The script of one episode; ``STRATA`` take turns."""
    random = np.random.default_rng([seed, 2024])
    script = Script(robot=robot, random=random, yaw=float(random.uniform(-np.pi, np.pi)))
    which = seed % len(STRATA)
    list(STRATA.values())[which](script)
    return written(script, which)


def stratum_of(seed: int) -> str:
    """Its name."""
    return list(STRATA)[seed % len(STRATA)]


# ---- what stands around --------------------------------------------------------------


def _furniture(s: Script, count: int, legs: int = 0) -> None:
    """Boxes at random, and legs of chairs and tables."""
    for k in range(count + legs):
        slim = k >= count
        half = (
            s.uniform(0.012, 0.03) if slim else s.uniform(0.05, 0.4),
            s.uniform(0.012, 0.03) if slim else s.uniform(0.05, 0.4),
        )
        for _ in range(50):
            x, y = (s.uniform(-s.room, s.room) for _ in range(2))
            if np.hypot(x, y) > ELBOW_ROOM + np.hypot(*half):
                s.boxes.append((x, y, s.uniform(-np.pi, np.pi), *half))
                break


def _still(s: Script) -> None:
    s.room = s.uniform(1.3, 2.6)
    _furniture(s, int(s.random.integers(2, 7)), int(s.random.integers(0, 4)))


def _appearing(s: Script) -> None:
    s.room = s.uniform(2.5, 4.0)
    _furniture(s, 2)
    for at in s.times(DROPS):
        half = (s.uniform(0.03, 0.25), s.uniform(0.03, 0.25))
        front = s.robot.length / 2 + s.uniform(0.05, 1.3) + max(half)
        angle = s.random.normal(0.0, 0.35)
        place = (front * np.cos(angle), front * np.sin(angle), s.uniform(-np.pi, np.pi))
        s.drops.append((at, s.uniform(1.5, 3.5), place, half))


def _corner(s: Script) -> None:
    """Low walls all over, and thin things right behind their ends."""
    s.room = s.uniform(1.8, 3.0)
    for _ in range(4):
        angle, distance = s.uniform(-np.pi, np.pi), s.uniform(0.8, 2.0)
        x, y = distance * np.cos(angle), distance * np.sin(angle)
        yaw, half = s.uniform(-np.pi, np.pi), s.uniform(0.25, 0.55)
        if distance - half < ELBOW_ROOM:
            continue
        s.boxes.append((x, y, yaw, half, 0.04))
        # what the wall hides from one side
        along, across = half - s.uniform(0.0, 0.15), s.side() * s.uniform(0.1, 0.3)
        hidden = (
            x + np.cos(yaw) * along - np.sin(yaw) * across,
            y + np.sin(yaw) * along + np.cos(yaw) * across,
        )
        if np.hypot(*hidden) > ELBOW_ROOM + 0.12:
            s.boxes.append((*hidden, s.uniform(-np.pi, np.pi), 0.07, 0.07))


def _passage(s: Script) -> None:
    s.room = s.uniform(3.0, 4.0)
    wide = s.robot.width + s.uniform(0.06, 0.35)
    begins, long = s.uniform(0.5, 1.0), s.uniform(0.3, 1.0)
    shift, turn = s.uniform(-0.06, 0.06), s.uniform(-0.1, 0.1)
    middle = begins + long
    c, n = np.cos(s.yaw), np.sin(s.yaw)
    for side in (-1.0, 1.0):
        ahead, aside = middle, shift + side * (wide / 2 + 0.15)
        s.boxes.append((c * ahead - n * aside, n * ahead + c * aside, s.yaw + turn, long, 0.15))
    _furniture(s, 2)
    s.first = (s.robot.speed * s.uniform(0.4, 1.0), 0.0, s.uniform(3.0, 6.0))


# ---- people --------------------------------------------------------------------------


def _person(s: Script, at: float, place: tuple[float, float], **does: float | bool) -> None:
    usual = {
        "relative": True,
        "near": np.inf,
        "wait": 0.0,
        "speed": s.uniform(0.5, 1.6),
        "acceleration": np.inf,
        "meet": s.uniform(1.0, 3.0),
        "aside": s.random.normal(0.0, 0.1),
        "change": np.inf,
        "turn": 0.0,
        "pace": 1.0,
        "shy": False,
        "radius": s.uniform(0.15, 0.3),
    }
    s.people.append({"at": at, "place": place, **usual, **does})


def _around(distance: float, bearing: float) -> tuple[float, float]:
    return distance * np.cos(bearing), distance * np.sin(bearing)


def _open_room(s: Script) -> None:
    s.room = s.uniform(4.0, 5.0)
    _furniture(s, int(s.random.integers(0, 4)))


def _crossing(s: Script) -> None:
    _open_room(s)
    for at in s.times(PEOPLE):
        bearing = s.side() * s.uniform(0.4, 1.9)
        _person(s, at, _around(s.uniform(2.2, 4.0), bearing))


def _head_on(s: Script) -> None:
    _open_room(s)
    for at in s.times(PEOPLE):
        _person(s, at, _around(s.uniform(2.5, 4.2), s.uniform(-0.35, 0.35)))


def _overtaking(s: Script) -> None:
    _open_room(s)
    for at in s.times(PEOPLE):
        bearing = s.side() * s.uniform(1.9, 2.6)
        _person(s, at, _around(s.uniform(2.0, 3.5), bearing), speed=s.uniform(0.8, 1.6))


def _setting_out(s: Script) -> None:
    _open_room(s)
    for at in s.times(PEOPLE):
        _person(
            s,
            at,
            _around(s.uniform(0.9, 2.8), s.uniform(-2.0, 2.0)),
            wait=s.uniform(0.6, 4.0),
            acceleration=s.uniform(0.4, 1.0),
            meet=s.uniform(0.3, 2.0),
        )


def _stepping_out(s: Script) -> None:
    """From the middle of cupboards that might as well be doors."""
    s.room = s.uniform(2.5, 3.5)
    for k in range(PEOPLE):
        angle = 2 * np.pi * (k + s.uniform(0.0, 0.8)) / PEOPLE
        x, y = _around(s.uniform(1.1, 2.2), angle)
        s.boxes.append((x, y, s.uniform(-np.pi, np.pi), s.uniform(0.35, 0.6), 0.33))
        _person(
            s,
            s.uniform(0.0, 6.0),
            (x, y),
            relative=False,
            near=s.uniform(1.0, 2.5),
            speed=s.uniform(0.4, 1.4),
            acceleration=s.uniform(0.5, 3.0),
            meet=s.uniform(0.2, 1.5),
        )


def _sudden(s: Script) -> None:
    _open_room(s)
    for at in s.times(PEOPLE):
        _person(
            s,
            at,
            _around(s.uniform(2.0, 3.5), s.uniform(-2.0, 2.0)),
            change=s.uniform(0.4, 2.0),
            turn=s.side() * s.uniform(0.5, 2.5),
            pace=float(s.random.choice([0.0, 0.6, 1.0])),
            acceleration=s.uniform(0.6, 6.0),
        )


# ---- messages ------------------------------------------------------------------------


def _mixture(s: Script) -> None:
    """Some of everything, for strata in which the messages are the matter."""
    s.room = s.uniform(2.0, 3.5)
    _furniture(s, int(s.random.integers(1, 4)), 1)
    for at in s.times(3):
        _person(s, at, _around(s.uniform(2.2, 3.5), s.uniform(-1.8, 1.8)))
    for at in s.times(2):
        half = (s.uniform(0.05, 0.2), s.uniform(0.05, 0.2))
        front = s.robot.length / 2 + s.uniform(0.3, 1.2) + max(half)
        s.drops.append((at, s.uniform(1.5, 3.0), (front, s.uniform(-0.2, 0.2), 0.3), half))


def _windows(s: Script, fault: Fault, shortest: float, longest: float) -> None:
    span = [np.exp(s.uniform(np.log(shortest), np.log(longest))) for _ in range(WINDOWS)]
    s.windows[fault] = [(at, at + d) for at, d in zip(s.times(WINDOWS), span, strict=True)]


def _scan_lost(s: Script) -> None:
    _mixture(s)
    _windows(s, Fault.SCAN_LOST, 0.05, 1.0)


def _scan_frozen(s: Script) -> None:
    _mixture(s)
    _windows(s, Fault.SCAN_FROZEN, 0.1, 1.5)


def _beams_lost(s: Script) -> None:
    _mixture(s)
    s.lost_beams, s.ghost_beams = s.uniform(0.02, 0.05), s.uniform(0.0, 0.05)
    _windows(s, Fault.HALF_BLIND, 0.05, 1.0)


def _half_rate(s: Script) -> None:
    _mixture(s)
    s.scan_every = int(s.random.integers(2, 4))


def _plan_lost(s: Script) -> None:
    _mixture(s)
    _windows(s, Fault.PLAN_LOST, 0.1, 4.0)


def _plan_bad(s: Script) -> None:
    _mixture(s)
    _windows(s, s.random.choice([Fault.PLAN_BAD, Fault.PLAN_NAN]), 0.1, 1.0)


def _lies(s: Script) -> None:
    """Poses that are no numbers, and clocks that jump."""
    _mixture(s)
    _windows(s, s.random.choice([Fault.POSE_NAN, Fault.CLOCK]), 0.02, 0.6)


def _noise(s: Script) -> None:
    _mixture(s)
    s.noise = s.uniform(2.0, 3.0)


def _slip(s: Script) -> None:
    _mixture(s)
    s.drift = s.uniform(0.05, 0.25)


def _late_command(s: Script) -> None:
    _mixture(s)
    s.command_latency = s.uniform(0.12, 0.25)


def _button(s: Script) -> None:
    _mixture(s)
    _windows(s, Fault.STOP_BUTTON, 0.3, 1.5)
    # a quarter of them never drives again
    s.rearm_stuck = s.uniform(0.0, 1.0) < 0.25


def _nominal(s: Script) -> None:
    """An empty floor, and people who keep their distance."""
    s.room = 25.0
    for k in range(int(s.random.integers(0, 4))):
        angle = s.uniform(-np.pi, np.pi)
        _person(
            s,
            float(k),
            _around(s.uniform(3.5, 5.0), angle),
            speed=s.uniform(0.3, 1.2),
            aside=s.uniform(-np.pi, np.pi),
            acceleration=1.0,
            shy=True,
        )


STRATA: dict[str, Callable[[Script], None]] = {
    "still clutter": _still,
    "things appear": _appearing,
    "behind corners": _corner,
    "tight passage": _passage,
    "crossing": _crossing,
    "head-on": _head_on,
    "overtaking": _overtaking,
    "setting out": _setting_out,
    "stepping out": _stepping_out,
    "sudden turns": _sudden,
    "scan lost": _scan_lost,
    "scan frozen": _scan_frozen,
    "beams lost": _beams_lost,
    "scan rate 1/2-1/3": _half_rate,
    "plan lost": _plan_lost,
    "plan bad or NaN": _plan_bad,
    "pose NaN, clock": _lies,
    "noise x 3": _noise,
    "odometry slips": _slip,
    "command late": _late_command,
    "stop button": _button,
    "nominal": _nominal,
}
NOMINAL = "nominal"
