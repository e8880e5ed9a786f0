"""Who and what lies in wait in an episode, and when: the script that ``draw`` writes.

Things and people may be placed where the robot is to be met: *relative* to its pose at the
moment at which they come.  A blind robot's way is not known before; at a fixed place it would
rarely meet anybody.
"""

from jaxtyping import Array, Bool, Float, Int

from astro_jax.sim.ambush.shapes import Boxes
from astro_jax.sim.ambush.trouble import Trouble
from astro_jax.types import pytree

BOXES, DROPS, PEOPLE = 14, 4, 5
"""Capacities: what stands there all along (walls too), what appears, and people."""


@pytree
class Drops:
    """Things that appear in front of the robot, and are taken away again."""

    at: Float[Array, "*batch D"]
    """When, s; inf for never."""
    stays: Float[Array, "*batch D"]
    """For how long, s."""
    ahead: Float[Array, "*batch D 3"]
    """Pose in the robot's own frame at that moment."""
    half: Float[Array, "*batch D 2"]


@pytree
class Roles:
    """What each person does: come, wait, set out towards where the robot will be, turn."""

    at: Float[Array, "*batch M"]
    """When they come, s; inf for never."""
    place: Float[Array, "*batch M 2"]
    """Where: in the robot's own frame if ``relative``, else in the room."""
    relative: Bool[Array, "*batch M"]
    near: Float[Array, "*batch M"]
    """They set out when the robot is nearer than this, m (inf: at once), …"""
    wait: Float[Array, "*batch M"]
    """… and at least this long after they came, s."""
    speed: Float[Array, "*batch M"]
    acceleration: Float[Array, "*batch M"]
    """With which they set out, turn and stop, m/s²; inf: they come walking."""
    meet: Float[Array, "*batch M"]
    """They aim at where the robot will be in so many seconds, …"""
    aside: Float[Array, "*batch M"]
    """… turned by so much, rad."""
    change: Float[Array, "*batch M"]
    """So long after setting out they change their mind: s, inf for never; …"""
    turn: Float[Array, "*batch M"]
    """… turn by this, rad, …"""
    pace: Float[Array, "*batch M"]
    """… and go on at this share of their speed."""
    shy: Bool[Array, "*batch M"]
    """Keeps away from the robot."""
    radius: Float[Array, "*batch M"]


@pytree
class Ambush:
    """One episode's script."""

    start: Float[Array, "*batch 3"]
    boxes: Boxes
    drops: Drops
    roles: Roles
    trouble: Trouble
    first_target: Float[Array, "*batch 3"]
    """What the driver begins with: (v, ω) and for how long, m/s, rad/s, s."""
    stratum: Int[Array, "*batch"]
