"""Reciprocal velocity obstacles, and the velocity nearest to the wanted one that they leave.

Van den Berg, Guy, Lin, Manocha, "Reciprocal n-body collision avoidance", 2011: a neighbour forbids
the velocities with which, were both to keep theirs, they would touch within τ.  u is the shortest
change of the relative velocity out of that set, across its edge with the normal n; a share of u
is ours: (v − (v_A + share·u))·n ≥ 0.  If no velocity of the disc |v| ≤ v_max meets all of these,
people's half-planes give way by the least δ with which one does (their eq. 13); walls' do not.

Every half-plane is also that of a person (share ½, 1 of those who do not see us), or of a point
of a wall that stands (share 1).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.types import pytree

NEVER = 1e3
"""By how much a half-plane that does not count is open, m/s."""
HALVINGS = 22
"""Of the interval that the least δ lies in."""
TOLERANCE = 1e-4
"""m/s"""


@pytree
class Bodies:
    """Discs in the way, as seen from our centre."""

    away: Float[Array, "n 2"]
    """m"""
    velocity: Float[Array, "n 2"]
    radius: Float[Array, "n"]
    """Theirs and ours together, m."""
    seconds: Float[Array, "n"]
    """τ"""
    share: Float[Array, "n"]
    """Of the change that is ours."""
    counts: Bool[Array, "n"]


@pytree
class HalfPlanes:
    """v with v·normal ≥ offset."""

    normal: Float[Array, "n 2"]
    offset: Float[Array, "n"]


def half_planes(
    own: Float[Array, "2"], bodies: Bodies, period: float | Float[Array, ""]
) -> HalfPlanes:
    """What each body leaves us; those that touch already are to be left within one ``period``."""
    relative = own[None] - bodies.velocity
    distance = jnp.maximum(jnp.hypot(*bodies.away.T), 1e-6)
    toward = bodies.away / distance[:, None]
    inside = distance < bodies.radius
    seconds = jnp.where(inside, period, bodies.seconds)
    # the set is a cone from the origin, cut off by a disc of radius / τ around away / τ
    from_disc = relative - bodies.away / seconds[:, None]
    back = jnp.sum(from_disc * toward, axis=-1)
    length = jnp.maximum(jnp.hypot(*from_disc.T), 1e-6)
    at_disc = inside | ((back < 0.0) & (-back * distance > bodies.radius * length))
    sine = jnp.minimum(bodies.radius / distance, 1.0)
    cosine = jnp.sqrt(jnp.maximum(1.0 - sine**2, 0.0))
    left = jnp.stack([-toward[:, 1], toward[:, 0]], axis=-1)
    side = jnp.where(jnp.sum(from_disc * left, axis=-1) >= 0.0, 1.0, -1.0)
    leg = -sine[:, None] * toward + (side * cosine)[:, None] * left
    normal = jnp.where(at_disc[:, None], from_disc / length[:, None], leg)
    change = jnp.where(at_disc, bodies.radius / seconds - length, -jnp.sum(relative * leg, axis=-1))
    offset = normal @ own + bodies.share * change
    return HalfPlanes(normal=normal, offset=jnp.where(bodies.counts, offset, -NEVER))


def nearest(
    wanted: Float[Array, "2"],
    top_speed: float | Float[Array, ""],
    planes: HalfPlanes,
    gives_way: Bool[Array, "n"],
) -> Float[Array, "2"]:
    """The velocity nearest to ``wanted`` that all allow; if there is none, see above.

    The nearest point is ``wanted`` itself, its foot on an edge, or a corner of two edges (of an
    edge and the circle): with tens of edges all can be looked at.  At rest if even with walls
    alone there is none.
    """
    speed = jnp.hypot(wanted[0], wanted[1])
    wanted = wanted * jnp.minimum(1.0, top_speed / jnp.maximum(speed, 1e-6))

    def best(slack):
        offset = planes.offset - jnp.where(gives_way, slack, 0.0)
        points = _corners(wanted, top_speed, planes.normal, offset)
        allowed = jnp.all(points @ planes.normal.T >= offset[None] - TOLERANCE, axis=-1)
        allowed &= jnp.hypot(*points.T) <= top_speed + TOLERANCE
        off = jnp.where(allowed, jnp.sum((points - wanted[None]) ** 2, axis=-1), jnp.inf)
        return points[jnp.argmin(off)], jnp.any(allowed)

    def halve(_, bounds):
        low, high = bounds
        middle = 0.5 * (low + high)
        enough = best(middle)[1]
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    point, found = best(0.0)
    widest = jnp.max(jnp.where(gives_way, planes.offset, 0.0)) + top_speed
    _, slack = jax.lax.cond(
        found,
        lambda: (0.0, 0.0),
        lambda: jax.lax.fori_loop(0, HALVINGS, halve, (0.0, jnp.maximum(widest, 0.0))),
    )
    relaxed, possible = best(slack)
    return jnp.where(found, point, jnp.where(possible, relaxed, 0.0))


def _corners(wanted, top_speed, normal, offset) -> Float[Array, "p 2"]:
    one, two = np.triu_indices(len(offset), 1)
    feet = wanted[None] + (offset - normal @ wanted)[:, None] * normal
    determinant = normal[one, 0] * normal[two, 1] - normal[one, 1] * normal[two, 0]
    parallel = jnp.abs(determinant) < 1e-6
    divisor = jnp.where(parallel, 1.0, determinant)
    x = (offset[one] * normal[two, 1] - offset[two] * normal[one, 1]) / divisor
    y = (offset[two] * normal[one, 0] - offset[one] * normal[two, 0]) / divisor
    crossings = jnp.where(parallel[:, None], jnp.inf, jnp.stack([x, y], axis=-1))
    along = jnp.stack([-normal[:, 1], normal[:, 0]], axis=-1)
    half = jnp.sqrt(jnp.maximum(top_speed**2 - offset**2, 0.0))[:, None]
    on_edge = offset[:, None] * normal
    rim = jnp.concatenate([on_edge + half * along, on_edge - half * along])
    # an edge that does not meet the disc has no corner there: its points are too fast
    points = jnp.concatenate([wanted[None], feet, crossings, rim])
    return jnp.where(jnp.isfinite(points), points, 2.0 * NEVER)
