"""Walk with somebody.                                                                [host]

The robot is on a leash.  The route layer gives the cost-to-go V_T to where the person will be
``ways.LOOK`` = T seconds after the next plan takes effect, around the same corners and through the
same doors, and another one to where they are by then.  With x₀ and x_T by how much either exceeds
the length of the leash at the robot's place, the planner is to keep low

  V_T(x) − ℓ_T − ρ (T − t),   ρ = (x_T − x₀)/T

which is right where the robot is now, and everywhere at T.  (V_0 + ρ t, right now as well, has its
bottom where they are *now*: within three seconds a robot that keeps up drives past that, so its
plans slowed down there, and it stayed 2.5 m behind whoever walked at 1.3 m/s; now 1.8 m.)  Near
enough is good enough: the robot does not push, does not overtake, and stops when they do.  The
person is no goal to hit: in the forecast they are somebody as everybody, and what comes nearer than
their personal space costs.  Whoever turns and comes back finds a robot that has nothing to gain
ahead and makes way.  Beside somebody, the place beside them takes their place.

Who is out of sight is followed to where they must be by now; then the robot looks around, turns
about, and gives up.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.body import gaze
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.route.planner import Route, plan_route, redirect, revise
from astro_jax.tasks.frames import in_map
from astro_jax.tasks.nouns import Belief, Directive, Follow, Outcome, Result, Setting
from astro_jax.tasks.people import COASTS, Known, find, keep, speed_of
from astro_jax.tasks.walks import free_place, place_ahead, straight_on
from astro_jax.tasks.ways import LOOK, costs_to_go, leashed, steeper, way_of
from astro_jax.tasks.yielding import (
    BARELY,
    STANDS,
    TOO_NEAR,
    has_passed,
    in_their_way,
    lane_of,
    place_aside,
    wants_to_pass,
)
from astro_jax.types import RouteField

FASTEST = 2.0
"""The end of the leash goes away no faster than this, s per s."""
BESIDE = 0.2
"""Leash to a place beside somebody, m."""
WALKS = 0.3
"""From this speed on somebody's heading is that of their velocity, m/s."""
NO_WAY = 5.0
"""For so long there may be no way to somebody, s."""
FARTHER = 3.0
"""Then the robot looks so much farther on, m."""
REVERSING = 2.0
"""What a metre driven backwards costs, s: a robot that walks with people turns round first, its
sensors look ahead."""
BACKING_OFF = 0.6
"""The same while it steps aside, s."""
EAGERNESS = 0.1
"""What an acceleration costs a robot that walks with people, s per (m/s²)²·s: whoever sets out is
soon far away."""
USUAL = 0.75
"""Speed of the robot whose seconds the weights of the objective were set for, m/s."""
URGENT = 3.0
"""Every second of the way aside counts so many times: somebody waits."""
ASIDE = 0.3
"""Nearer than this to where it waits (m) the robot turns to the person again."""
LETS_PASS = 1.5
"""The robot goes on waiting for so long after somebody last wanted to pass, s."""
TRUST = 0.85
"""How much of their walking on the robot counts on: anybody may stop."""
SPACE = 0.9
"""Gap at which somebody's personal space begins for a robot that walks with them, m."""
AROUND = 4.0
"""Time for a look around at a place, s."""
FACING_RADIUS, FACING_WEIGHT = 0.6, 1.2
"""Within this of where it is to stand (m) the robot turns to the person, and what that is worth."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FollowMemory:
    """What is carried from step to step."""

    began: float
    known: Known | None = None
    route: Route | None = None
    """The last one that led to the person."""
    heading: float | None = None
    """In which they last walked, rad."""
    without_way: float = math.inf
    """Since when there has been no way to them, s."""
    lost_at: float = math.inf
    looked_from: float = math.inf
    """Since when the robot has looked around where it is, s."""
    places: int = 0
    """Where it has looked so far."""
    losses: int = 0
    too_near: float = math.inf
    """Since when they have stood too near, s."""
    aside: Float[np.ndarray, "2"] | None = None
    """Where the robot waits for them to pass."""
    aside_until: float = -math.inf
    lane: Float[np.ndarray, "2"] | None = None
    """In which they want to pass, a unit vector."""


Step = tuple[FollowMemory, Directive, Result | None]


def follow(setting: Setting, task: Follow, memory: FollowMemory, belief: Belief) -> Step:
    """One step."""
    if memory.known is None:
        known = find(task.person, belief)
        if known is None:
            return _not_found_yet(task, memory, belief)
        memory = dataclasses.replace(memory, known=known)
    else:
        route = memory.route
        blocked = setting.house_map.blocked if route is None else route.searched.blocked
        until = min(belief.time, memory.known.time + COASTS)
        expected = place_ahead(setting.house_map, blocked, memory.known, until)
        memory = dataclasses.replace(memory, known=keep(memory.known, belief, expected))
    known = memory.known
    assert known is not None
    if known.slot >= 0:
        found = dataclasses.replace(
            memory, lost_at=math.inf, looked_from=math.inf, places=0, heading=_heading(memory)
        )
        return _pursue(setting, task, found, belief)
    if not math.isfinite(memory.lost_at):
        memory = dataclasses.replace(memory, lost_at=belief.time, losses=memory.losses + 1)
    if belief.time - memory.lost_at > task.patience:
        detail = f"out of sight for {task.patience:g} s, last at {_shown(known.xy)}"
        return memory, _nowhere(), Result(outcome=Outcome.LOST, detail=detail)
    return _recover(setting, memory, belief)


def _not_found_yet(task: Follow, memory: FollowMemory, belief: Belief) -> Step:
    """Only somebody with a name may still turn up."""
    if task.person.identity is None:
        detail = f"nobody is tracked for {task.person}"
        return memory, _nowhere(), Result(outcome=Outcome.UNKNOWN_PERSON, detail=detail)
    if belief.time - memory.began > task.patience:
        detail = f"person {task.person.identity} was not seen within {task.patience:g} s"
        return memory, _nowhere(), Result(outcome=Outcome.NEVER_SEEN, detail=detail)
    bearing = float(belief.pose[2] - belief.house_from_map[2])
    directive = Directive(field=None, gaze=gaze.search(bearing), doing="looking for the person")
    return memory, directive, None


def _pursue(setting: Setting, task: Follow, memory: FollowMemory, belief: Belief) -> Step:
    known = memory.known
    assert known is not None
    looks = gaze.at_body(known.slot)
    route = _known_ways(setting, memory.route, known, belief)
    if route is None:
        directive = Directive(field=None, gaze=looks, doing="no way", slot=known.slot)
        return _waiting(memory, directive, belief, "")
    memory = _making_way(route, memory, belief)
    if memory.aside is not None:
        return _wait_aside(setting, route, memory, belief)
    blocked = route.closed | route.seen_blocked
    now = belief.time + setting.ahead
    person = place_ahead(setting.house_map, blocked, known, now)
    later = place_ahead(setting.house_map, blocked, known, now + LOOK)
    beside = task.bearing is not None and memory.heading is not None
    end, end_later, distance = person, later, task.distance
    if beside:
        assert task.bearing is not None and memory.heading is not None
        angle = memory.heading + task.bearing
        off = task.distance * np.array([math.cos(angle), math.sin(angle)])
        end = straight_on(setting.house_map, blocked, person, off)
        end_later = straight_on(setting.house_map, blocked, later, off)
        distance = BESIDE
    try:
        route = redirect(route, belief.pose, (*end, 0.0))
        farther = redirect(route, belief.pose, (*end_later, 0.0))
    except InputError:
        # whatever stands there is in the way of the person too: wait for them to move on
        directive = Directive(field=None, gaze=looks, doing="no way", slot=known.slot)
        return _waiting(memory, directive, belief, "they stand in something")
    if route.failure is not None:
        directive = Directive(field=None, gaze=looks, doing="no way", slot=known.slot)
        return _waiting(memory, directive, belief, str(route.failure))
    memory = dataclasses.replace(memory, route=route, without_way=math.inf)
    farther = route if farther.failure is not None else farther
    facing = memory.heading if beside and memory.heading is not None else later
    directive = Directive(
        field=_leash(setting, (route, farther), belief.pose, distance, facing),
        gaze=looks,
        params=_courteous(setting.params),
        doing="following" if known.in_sight(belief.time) else "following out of sight",
        slot=known.slot,
        target=(float(person[0]), float(person[1])),
    )
    return memory, directive, None


def _making_way(route: Route, memory: FollowMemory, belief: Belief) -> FollowMemory:
    """Whether to step aside, and where."""
    known, now = memory.known, belief.time
    assert known is not None
    distance = float(np.hypot(*(known.xy - belief.pose[:2])))
    near = distance < TOO_NEAR and speed_of(known) < WALKS
    since = min(memory.too_near, now) if near else math.inf
    wanted = wants_to_pass(known, belief.pose, memory.aside is not None) or now - since > STANDS
    until = now + LETS_PASS if wanted else memory.aside_until
    if has_passed(known, belief.pose):
        until = now
    place, lane = memory.aside, None
    if now >= until:
        place = None
    else:
        lane = lane_of(known, belief.pose, memory.lane)
        if place is None or in_their_way(known, lane, place[None], BARELY)[0]:
            place = place_aside(route, known, belief.pose, lane)
    return dataclasses.replace(memory, too_near=since, aside=place, aside_until=until, lane=lane)


def _wait_aside(setting: Setting, route: Route, memory: FollowMemory, belief: Belief) -> Step:
    known, place = memory.known, memory.aside
    assert known is not None and place is not None
    x, y = known.xy - place
    away = float(np.hypot(*(place - belief.pose[:2])))
    goal = np.array([*place, math.atan2(y, x)])
    try:
        route = redirect(route, belief.pose, tuple(goal))
    except InputError:
        return dataclasses.replace(memory, aside=None), _nowhere("stuck"), None
    memory = dataclasses.replace(memory, route=route, without_way=math.inf)
    directive = Directive(
        field=leashed(steeper(route.field, URGENT), goal),
        gaze=gaze.at_body(known.slot),
        params=_stepping_aside(setting.params) if away > ASIDE else _facing(setting.params),
        doing="making way",
        slot=known.slot,
        target=(float(known.xy[0]), float(known.xy[1])),
    )
    return memory, directive, None


def _leash(
    setting: Setting,
    routes: tuple[Route, Route],
    pose: Float[np.ndarray, "3"],
    distance: float,
    facing: Float[np.ndarray, "2"] | float,
) -> RouteField:
    """The field to where they will be ``LOOK`` s later, leashed to be right now and then.

    ``routes``: to where they are, and to there.  ``facing``: whom to turn to, or the heading.
    """
    speed = setting.robot.speed
    ways = [way_of(route, pose) for route in routes]
    lengths = [way.cost_at(distance, speed) for way in ways]
    costs = [float(costs_to_go(route.field, pose[None, :2])[0]) for route in routes]
    now, later = (cost - length for cost, length in zip(costs, lengths, strict=True))
    receding = float(np.clip((later - now) / LOOK, -FASTEST, FASTEST))
    # the pose that is driven to is where the leash ends then
    place = ways[1].point_at(lengths[1]) if later > 0.0 else pose[:2]
    if isinstance(facing, float):
        yaw = facing if later <= 0.0 else float(np.arctan2(*(place - pose[:2])[::-1]))
    else:
        yaw = float(np.arctan2(*(facing - place)[::-1]))
    # a metre behind counts as much for a fast robot, whose seconds of way are longer
    pull = max(speed / USUAL, 1.0)
    return leashed(
        steeper(routes[1].field, pull),
        np.array([*place, yaw]),
        pull * (lengths[1] + LOOK * receding),
        pull * TRUST * receding,
    )


def _recover(setting: Setting, memory: FollowMemory, belief: Belief) -> Step:
    """Go to where they must be, look around, farther on, look around, turn about."""
    known, house = memory.known, setting.house_map
    assert known is not None
    route = _known_ways(setting, memory.route, known, belief)
    if route is None:
        return memory, _nowhere("lost"), None
    blocked = route.closed | route.seen_blocked
    place = place_ahead(house, blocked, known, known.time + COASTS)
    if memory.places > 0 and speed_of(known) > WALKS:
        place = straight_on(house, blocked, place, FARTHER * known.velocity / speed_of(known))
    place = free_place(house, blocked, place)
    try:
        route = redirect(route, belief.pose, (*place, 0.0))
    except InputError:
        return memory, _nowhere("lost"), None
    memory = dataclasses.replace(memory, route=route)
    cost = float(costs_to_go(route.field, belief.pose[None, :2])[0])
    near = way_of(route, belief.pose).cost_at(0.4, setting.robot.speed)
    arrived = cost < near + 0.3 or route.failure is not None
    goal = np.array([*place, math.atan2(*(place - belief.pose[:2])[::-1])])
    point = in_map(belief.house_from_map, place)
    looks, doing = gaze.at_point(jnp.asarray(point, jnp.float32)), "going where they must be"
    if arrived:
        since = min(memory.looked_from, belief.time)
        memory = dataclasses.replace(memory, looked_from=since)
        looked = belief.time - since
        heading = math.atan2(known.velocity[1], known.velocity[0])
        # half of the way round is behind the screen's reach
        turn = math.pi if looked > 0.5 * AROUND else 0.0
        goal = np.array([*belief.pose[:2], heading + turn])
        looks = gaze.search(heading + turn - float(belief.house_from_map[2]))
        doing = "looking around"
        if looked > AROUND:
            memory = dataclasses.replace(memory, looked_from=math.inf, places=memory.places + 1)
    directive = Directive(
        field=leashed(route.field, goal, near),
        gaze=looks,
        params=_courteous(setting.params),
        doing=doing,
        target=(float(place[0]), float(place[1])),
    )
    return memory, directive, None


def _known_ways(
    setting: Setting, route: Route | None, known: Known, belief: Belief
) -> Route | None:
    """The last route with what the local map shows now; the first one is to the robot's side."""
    if route is not None:
        return revise(route, belief.local_map, belief.pose, belief.house_from_map)
    house, robot = setting.house_map, setting.robot
    end = free_place(house, house.blocked, known.xy)
    try:
        return plan_route(house, robot, belief.pose, np.array([[*end, 0.0], belief.pose]))
    except InputError:
        return None


def _waiting(memory: FollowMemory, directive: Directive, belief: Belief, why: str) -> Step:
    since = min(memory.without_way, belief.time)
    memory = dataclasses.replace(memory, without_way=since)
    if belief.time - since <= NO_WAY:
        return memory, directive, None
    return memory, _nowhere(), Result(outcome=Outcome.UNREACHABLE, detail=why)


def _heading(memory: FollowMemory) -> float | None:
    known = memory.known
    if known is None or speed_of(known) < WALKS:
        return memory.heading
    return math.atan2(known.velocity[1], known.velocity[0])


def _courteous(params: PlannerParams) -> PlannerParams:
    """What counts while the robot walks with somebody."""
    return dataclasses.replace(
        _facing(params),
        personal_space=SPACE,
        acceleration=min(params.acceleration, EAGERNESS),
    )


def _facing(params: PlannerParams) -> PlannerParams:
    """Where it stands it is to turn to the person."""
    return dataclasses.replace(
        _watching(params), heading_radius=FACING_RADIUS, heading_weight=FACING_WEIGHT
    )


def _stepping_aside(params: PlannerParams) -> PlannerParams:
    """Backwards or forwards, whichever is sooner."""
    return dataclasses.replace(params, reversing=BACKING_OFF, facing=0.0)


def _watching(params: PlannerParams) -> PlannerParams:
    """It turns round rather than back off: its wheels are fast and its sensors look ahead."""
    return dataclasses.replace(params, reversing=REVERSING)


def _nowhere(doing: str = "") -> Directive:
    return Directive(field=None, gaze=gaze.rest(), doing=doing)


def _shown(xy: Float[np.ndarray, "2"]) -> str:
    return f"{float(xy[0]):.2f}, {float(xy[1]):.2f}"
