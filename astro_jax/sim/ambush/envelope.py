"""The declared envelope: what the gate promises, and what of a contact is beyond it.

**Things** stand still; or they appear where a robot at its speed can still stop:

    gap ≥ v·t_r + v²/(2b) + ``MARGIN``

**People** walk at up to ``FASTEST``, and once they have been seen change their velocity by at
most ``TURN``; and they come into view early enough for the robot to be at rest before they can
have reached it, T = t_r + v/b later:

    gap ≥ v·t_r + v²/(2b) + u·T + ½·TURN·T² + ``MARGIN``

with v the fastest that a point of the robot is or is already told to be, u their speed, and b
the brakes.  In view is who the gate's scan shows within its window (then t_r is a tick and the
way to the wheels; the scan's own age has passed when it comes), or whom the detector can see
(then t_r is ``FRAMES`` − 1 more frames longer: from one frame nobody's velocity is known).

These are computed from the truth, at every moment at which news of somebody comes.  Somebody
is *fairly* seen from the first moment on at which the inequality holds, until nothing has shown
them for ``OUT_OF_SIGHT``.  Every contact with a robot that moves (v_p > .05 m/s) gets a ``Kind``.
Who strikes a robot whose point of contact moves away from them, and that has not cut in, is
outside of the envelope too, as in ``sim/contact.py``.
"""

import enum

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import RobotConfig
from astro_jax.types import Scalar, pytree

FASTEST = 1.6
"""m/s"""
TURN = 0.7
"""m/s²: what people do when they slow, turn or set out unhurriedly; whoever does more is counted
apart, as sudden."""
MARGIN = 0.05
"""Noise of ranges and poses, m."""
FRAMES = 3
"""Of the detector, until somebody's velocity is known."""
OUT_OF_SIGHT = 0.5
"""s"""
TOLERANCE = 1.05
"""On what a person may do: rounding of their steps."""


class Kind(enum.IntEnum):
    """What a contact of a moving robot was; the first three are the robot's fault."""

    THING = 0
    """With something still, fairly seen and still in sight."""
    FORGOTTEN = 1
    """With something still that was fairly seen once, and is out of sight now."""
    PERSON = 2
    """Inside the envelope."""
    THING_TOO_CLOSE = 3
    """It appeared where nobody could have stopped."""
    THING_UNSEEN = 4
    """The sensor has never looked there: a robot that backs off, or turns."""
    PERSON_TOO_CLOSE = 5
    PERSON_UNSEEN = 6
    """From the blind rear, or from behind something."""
    PERSON_SUDDEN = 7
    """Faster, or turning faster, than the envelope says."""
    STRUCK_LEAVING = 8
    """Struck by somebody from whom it was moving away: the referee's K2 excuses it."""


AT_FAULT = (Kind.THING, Kind.FORGOTTEN, Kind.PERSON)


@pytree
class Notice:
    """What could have been known of each body: the people, then the things."""

    seen_at: Float[Array, "*batch P"]
    """Last time, −inf for never, s."""
    fair: Bool[Array, "*batch P"]
    """In the present spell there was a moment at which there was room enough."""
    once: Bool[Array, "*batch P"]
    """There was such a moment in some spell."""
    sudden: Bool[Array, "*batch P"]
    """Has broken the envelope in the present spell."""


def unnoticed(count: int) -> Notice:
    """Before anything has been seen."""
    nothing = jnp.zeros(count, bool)
    return Notice(seen_at=jnp.full(count, -jnp.inf), fair=nothing, once=nothing, sudden=nothing)


def take_notice(
    robot: RobotConfig,
    notice: Notice,
    time: Float[Array, ""],
    *,
    gap: Float[Array, "P"],
    speed: Float[Array, ""],
    pace: Float[Array, "P"],
    change: Float[Array, "P"],
    in_scan: Bool[Array, "P"],
    in_frame: Bool[Array, "P"],
    appeared: Bool[Array, "P"],
    answer: Scalar,
    frame: float,
) -> Notice:
    """One tick: ``in_scan`` and ``in_frame`` are whom a scan or a frame that came now shows.

    Args:
      robot: its brakes.
      notice: so far.
      time: s.
      gap: between the robot and each body now, m.
      speed: of the robot's fastest point, m/s, the greater of what it is and is told.
      pace: of each body, m/s.
      change: of each body's velocity, m/s².
      in_scan: seen by the gate's scan, in its window.
      in_frame: seen by the detector.
      appeared: bodies that are new in this tick: whatever was known of that place is void.
      answer: from the gate to the wheels, a tick included, s.
      frame: period of the detector, s.
    """
    braking = speed / robot.braking
    stop, rest = speed * answer + 0.5 * speed * braking, answer + braking
    later = (FRAMES - 1) * frame

    def enough(wait: float) -> Bool[Array, "P"]:
        time_left = rest + wait
        walked = pace * time_left + 0.5 * TURN * time_left**2
        way = jnp.where(jnp.isinf(pace), jnp.inf, jnp.where(pace > 0.0, walked, 0.0))
        return gap >= stop + speed * wait + way + MARGIN

    seen = in_scan | in_frame
    anew = seen & (time - notice.seen_at > OUT_OF_SIGHT)
    kept = ~anew & ~appeared
    roomy = (in_scan & enough(0.0)) | (in_frame & enough(later))
    breaks = (pace > FASTEST * TOLERANCE) | (change > TURN * TOLERANCE)
    fair = (notice.fair & kept) | roomy
    return Notice(
        seen_at=jnp.where(seen, time, jnp.where(appeared, -jnp.inf, notice.seen_at)),
        fair=fair,
        once=(notice.once & ~appeared) | fair,
        sudden=(notice.sudden & kept) | (breaks & notice.fair & kept),
    )


def kind_of_contact(
    notice: Notice,
    time: Float[Array, ""],
    person: Bool[Array, "P"],
    excused: Bool[Array, "P"],
) -> Int[Array, "P"]:
    """A ``Kind`` for a contact with each body now; ``excused`` are those whom the robot leaves."""
    in_sight = time - notice.seen_at <= OUT_OF_SIGHT
    thing = jnp.where(
        in_sight & notice.fair,
        int(Kind.THING),
        jnp.where(
            notice.once,
            int(Kind.FORGOTTEN),
            jnp.where(notice.seen_at > -jnp.inf, int(Kind.THING_TOO_CLOSE), int(Kind.THING_UNSEEN)),
        ),
    )
    somebody = jnp.where(
        ~in_sight,
        int(Kind.PERSON_UNSEEN),
        jnp.where(
            ~notice.fair,
            int(Kind.PERSON_TOO_CLOSE),
            jnp.where(notice.sudden, int(Kind.PERSON_SUDDEN), int(Kind.PERSON)),
        ),
    )
    somebody = jnp.where(excused, int(Kind.STRUCK_LEAVING), somebody)
    return jnp.where(person, somebody, thing)
