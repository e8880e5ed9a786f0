"""What the screen is to look at: pure data, so that a task may change its mind in any cycle."""

import enum

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from astro_jax.types import Scalar, pytree


class Intent(enum.IntEnum):
    """What the screen is for at the moment."""

    AHEAD = 0
    """Show where the robot will go."""
    BODY = 1
    """Keep a tracked body in the camera's view."""
    POINT = 2
    """Look at a place."""
    SCAN = 3
    """Search: sweep to and fro about a bearing."""
    REST = 4
    """Straight ahead, whatever the base does."""


@pytree
class Gaze:
    """An intent with what it needs; fields that it does not need are ignored.

    A body that is not tracked and a place that is not finite cannot be looked at: the screen
    then goes to rest, and says so (``body.screen.Looking``).
    """

    intent: Int[Array, "*batch"]
    """An ``Intent``."""
    body: Int[Array, "*batch"]
    """Slot of the body in ``Tracks``."""
    point_map: Float[Array, "*batch 2"]
    """m."""
    share: Float[Array, "*batch"]
    """How much of the way is the intent's, 0 … 1; the rest shows where the robot will go.  Of a
    body or a place a smaller share means: show turns as far as it stays in view."""
    centre: Float[Array, "*batch"]
    """Bearing about which to search, rad against the map's x axis."""


def ahead() -> Gaze:
    """Look where you go."""
    return _gaze(Intent.AHEAD)


def at_body(slot: int | Int[Array, ""], share: Scalar = 1.0) -> Gaze:
    """Keep the body of this slot in view."""
    return _gaze(Intent.BODY, body=slot, share=share)


def at_point(xy_map: Float[Array, "2"], share: Scalar = 1.0) -> Gaze:
    """Look at a place of the map frame, m."""
    return _gaze(Intent.POINT, point_map=xy_map, share=share)


def search(bearing: Scalar, share: Scalar = 1.0) -> Gaze:
    """Sweep about this bearing (rad against the map's x axis)."""
    return _gaze(Intent.SCAN, centre=bearing, share=share)


def rest() -> Gaze:
    """Straight ahead."""
    return _gaze(Intent.REST)


def _gaze(
    intent: Intent,
    body: int | Int[Array, ""] = -1,
    point_map=(0.0, 0.0),
    share: Scalar = 1.0,
    centre: Scalar = 0.0,
) -> Gaze:
    return Gaze(
        intent=jnp.int32(int(intent)),
        body=jnp.asarray(body, jnp.int32),
        point_map=jnp.asarray(point_map, jnp.float32),
        share=jnp.asarray(share, jnp.float32),
        centre=jnp.asarray(centre, jnp.float32),
    )
