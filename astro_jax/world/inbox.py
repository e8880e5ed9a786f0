"""From time-stamped messages to the planner's ``Snapshot``.                        [host]

In: messages as robots send them (``world/messages.py``), one by one, with the monotonic time of
their arrival.  Out, whenever a cycle or a gate tick begins: arrays of fixed shapes with ages.
An ``Inbox`` is immutable: a message that is refused leaves it as it was, and its source grows
old until ``world/health.py`` stops the robot.  It holds no more than two seconds of poses.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.errors import ClockError, InputError, MessageError
from astro_jax.types import Detections, Odometry, Scan, Snapshot
from astro_jax.world import content
from astro_jax.world.content import Bodies, Echoes, Place, Pose, Sweep
from astro_jax.world.messages import (
    DetectionsMessage,
    Frames,
    LocalisationMessage,
    Message,
    OdometryMessage,
    ScanMessage,
)
from astro_jax.world.resample import shorten

SECOND = 1_000_000_000
FUTURE = SECOND // 20
"""No message is from the future, but for so much of disagreement between clocks, ns."""
BACKWARD = SECOND
"""A stamp that is older than the last one by more than this is not late: a clock jumped, ns."""
MEMORY, MOST_POSES = 2 * SECOND, 512
"""How far back poses are kept (ns), and how many at most."""
STRETCH = SECOND // 4
"""Between two poses farther apart than this, and beyond the last, none is made up, ns."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dropped:
    """Messages that came twice, or after a younger one, per source."""

    scan: int = 0
    odometry: int = 0
    detections: int = 0
    localisation: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Inbox:
    """What was last accepted from every source."""

    robot: RobotConfig
    frames: Frames
    capacity: int
    """Detections in a snapshot; of more the nearest."""
    scan: Sweep | None = None
    more_scans: tuple[Echoes, ...] = ()
    """The last of every further range sensor."""
    odometry: tuple[Pose, ...] = ()
    """Oldest first."""
    detections: Bodies | None = None
    localisation: Place | None = None
    dropped: Dropped = Dropped()
    now: int = 0
    """The latest time of arrival."""


def empty_inbox(robot: RobotConfig, frames: Frames | None = None, capacity: int = 16) -> Inbox:
    """Before the first message.

    Raises:
      InputError: two frames share a name, a range sensor has no mount, or ``capacity`` is not
        positive.
    """
    frames = frames or Frames()
    mounts = [mount.frame for mount in frames.mounts]
    names = [*mounts, frames.base, *{frames.map, frames.house}]
    if len(set(names)) < len(names):
        raise InputError("frames", names, "every name once (map and house may be one)")
    if not set(frames.more_scans) <= set(mounts):
        raise InputError("more_scans", frames.more_scans, f"some of {', '.join(mounts)}")
    if capacity < 1:
        raise InputError("capacity", capacity, "at least 1")
    return Inbox(robot=robot, frames=frames, capacity=capacity)


def receive(inbox: Inbox, message: Message, now: int) -> Inbox:
    """The inbox with one more message, which arrived at ``now`` (monotonic, ns).

    A message that comes twice or has been overtaken changes ``dropped`` and nothing else.

    Raises:
      MessageError: the message contradicts itself, names an unknown frame, has a quaternion that
        is no rotation, or is from the future.
      ClockError: ``now`` or the source's stamps have jumped back.  ``forget`` the inbox: the
        robot stops until all sources have reported anew.
    """
    source = _source(message)
    stamp = content.moment(message.stamp, f"{source}.stamp")
    if content.moment(now, "now") < inbox.now - FUTURE:
        raise ClockError("now", now, f"no time before {inbox.now}", source)
    if stamp > now + FUTURE:
        raise MessageError("stamp", stamp, f"at most {FUTURE / SECOND:g} s after {now}", source)
    further = source == "scan" and message.frame in inbox.frames.more_scans
    newest, now = _newest(inbox, source, message.frame if further else ""), max(now, inbox.now)
    if stamp < newest - BACKWARD:
        raise ClockError("stamp", stamp, f"a time after {newest}", source)
    if stamp <= newest:
        count = getattr(inbox.dropped, source) + 1
        dropped = dataclasses.replace(inbox.dropped, **{source: count})
        return dataclasses.replace(inbox, dropped=dropped, now=now)
    read: dict[str, Any] = {
        "scan": content.echoes if further else content.sweep,
        "odometry": content.pose,
        "detections": content.bodies,
        "localisation": content.place,
    }
    new = read[source](inbox.robot, inbox.frames, message)
    if further:
        source, others = "more_scans", (e for e in inbox.more_scans if e.frame != new.frame)
        new = (*others, new)
    elif source == "odometry":
        kept = (p for p in inbox.odometry[1 - MOST_POSES :] if p.stamp > stamp - MEMORY)
        new = (*kept, new)
    changes: dict[str, Any] = {source: new, "now": now}
    return dataclasses.replace(inbox, **changes)


def forget(inbox: Inbox) -> Inbox:
    """After a jump of a clock: nothing is known, nothing has an age."""
    fresh = empty_inbox(inbox.robot, inbox.frames, inbox.capacity)
    return dataclasses.replace(fresh, dropped=inbox.dropped)


def snapshot(inbox: Inbox, now: int) -> Snapshot:
    """Everything for one planning cycle that begins at ``now`` (monotonic, ns).

    A source that has not reported yet is infinitely old and says nothing: the robot stands.
    """
    scan, odometry = nearby(inbox, now)
    place = inbox.localisation
    if place is None:
        same = inbox.frames.house == inbox.frames.map
        house_from_map = np.zeros(3) if same else np.full(3, np.nan)
    else:
        house_from_map = place.house_from_map
    return Snapshot(
        scan=scan,
        odometry=odometry,
        detections=_detections(inbox, now),
        house_from_map=_float32(house_from_map),
    )


def nearby(inbox: Inbox, now: int) -> tuple[Scan, Odometry]:
    """What the gate needs, at its own rate."""
    scan = _scan(inbox, now)
    if not inbox.odometry:
        return scan, Odometry(
            pose_map=_float32(np.full(3, np.nan)),
            twist=_float32(np.full(2, np.nan)),
            age=_float32(np.inf),
            cov=_float32(np.zeros((3, 3))),
        )
    last = inbox.odometry[-1]
    return scan, Odometry(
        pose_map=_float32(last.pose_map),
        twist=_float32(last.twist),
        age=_age(last.stamp, now),
        cov=_float32(last.cov),
    )


def _scan(inbox: Inbox, now: int) -> Scan:
    sensor, sweep, frames = inbox.robot.sensor, inbox.scan, inbox.frames
    reported = {echoes.frame: echoes for echoes in inbox.more_scans}
    if sweep is None or not set(frames.more_scans) <= set(reported):
        return Scan(
            ranges=_float32(np.full(sensor.beams, np.inf)),
            valid=_array(np.zeros(sensor.beams, bool)),
            pose_map=_float32(np.full(3, np.nan)),
            age=_float32(np.inf),
            free=_float32(np.zeros(sensor.beams)),
        )
    eye = content.placed(
        pose_at(inbox, sweep.stamp), np.array([sensor.mount_x, sensor.mount_y, 0.0])
    )
    ranges, free, stamp = sweep.ranges, sweep.free, sweep.stamp
    for echoes in reported.values():
        base = pose_at(inbox, echoes.stamp)
        xy = content.seen_from(eye, content.points(base, echoes.xy_base))
        if not np.all(np.isfinite(xy)):
            eye = np.full(3, np.nan)  # nobody knows where they were
            break
        ranges, free = shorten(inbox.robot, ranges, free, xy)
        stamp = min(stamp, echoes.stamp)
    return Scan(
        ranges=_float32(ranges),
        valid=_array(sweep.valid | np.isfinite(ranges)),
        pose_map=_float32(eye),
        age=_age(stamp, now),
        free=_float32(free),
    )


def pose_at(inbox: Inbox, stamp: int) -> Float[np.ndarray, "3"]:
    """Where the base was: between two poses on the straight line, shortly after the last ahead.

    NaN where no pose is near enough in time.
    """
    poses = inbox.odometry
    # from the newest: what is asked for is rarely old
    later = len(poses)
    while later and poses[later - 1].stamp >= stamp:
        later -= 1
    if later == len(poses):
        if not poses or stamp - poses[-1].stamp > STRETCH:
            return np.full(3, np.nan)
        last, after = poses[-1], (stamp - poses[-1].stamp) / SECOND
        v, omega = last.twist
        step = np.array([v * after * np.cos(h := 0.5 * omega * after), v * after * np.sin(h), 0.0])
        return content.placed(last.pose_map, step + np.array([0.0, 0.0, omega * after]))
    if poses[later].stamp == stamp:
        return poses[later].pose_map
    if later == 0 or poses[later].stamp - poses[later - 1].stamp > STRETCH:
        return np.full(3, np.nan)
    before, after = poses[later - 1], poses[later]
    share = (stamp - before.stamp) / (after.stamp - before.stamp)
    step = after.pose_map - before.pose_map
    step[2] = content.wrapped(step[2])
    return before.pose_map + share * step


def _detections(inbox: Inbox, now: int) -> Detections:
    capacity, bodies = inbox.capacity, inbox.detections
    xy, cov = np.zeros((capacity, 2)), np.zeros((capacity, 2, 2))
    radius = np.zeros(capacity)
    kind, identity = np.zeros(capacity, np.int32), np.full(capacity, -1, np.int32)
    seen = np.zeros(capacity, bool)
    age = _float32(np.inf)
    if bodies is not None:
        base = pose_at(inbox, bodies.stamp)
        frame = np.zeros(3) if bodies.mount is None else content.placed(base, bodies.mount)
        turn, placed = content.turning(frame[2]), content.points(frame, bodies.xy)
        away = np.linalg.norm(placed - base[:2], axis=1)
        # NaN comes last
        nearest = np.argsort(away, kind="stable")[:capacity]
        count = len(nearest)
        xy[:count], cov[:count] = placed[nearest], turn @ bodies.cov[nearest] @ turn.T
        radius[:count], kind[:count] = bodies.radius[nearest], bodies.kind[nearest]
        identity[:count] = bodies.identity[nearest]
        seen[:count] = True
        age = _age(bodies.stamp, now)
    return Detections(
        xy_map=_float32(xy),
        xy_cov=_float32(cov),
        radius=_float32(radius),
        kind=_array(kind),
        identity=_array(identity),
        seen=_array(seen),
        age=age,
    )


def _source(message: Message) -> str:
    names = {
        ScanMessage: "scan",
        OdometryMessage: "odometry",
        DetectionsMessage: "detections",
        LocalisationMessage: "localisation",
    }
    if type(message) not in names:
        expected = ", ".join(kind.__name__ for kind in names)
        raise MessageError("message", type(message).__name__, f"one of {expected}")
    return names[type(message)]


def _newest(inbox: Inbox, source: str, further: str) -> int:
    """Stamp of the last message accepted from a source, −1 before the first."""
    if further:
        return max((e.stamp for e in inbox.more_scans if e.frame == further), default=-1)
    if source == "odometry":
        return inbox.odometry[-1].stamp if inbox.odometry else -1
    accepted = {
        "scan": inbox.scan,
        "detections": inbox.detections,
        "localisation": inbox.localisation,
    }[source]
    return -1 if accepted is None else accepted.stamp


def _age(stamp: int, now: int) -> Float[Array, ""]:
    """Seconds: the difference is exact, and the same wherever the clock began."""
    return _array(np.asarray((now - stamp) / SECOND, np.float32))


def _float32(value: np.ndarray | float) -> Array:
    # 1e300 m is as far away as anything can be
    with np.errstate(over="ignore"):
        return _array(np.asarray(value, np.float64).astype(np.float32))


def _array(value: np.ndarray) -> Any:
    """NumPy, as it is: the compiled function that it goes to takes all of it over at once.

    Piece by piece that costs ten times as much, half a gate tick for a scan and a pose.
    """
    return value
