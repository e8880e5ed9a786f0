"""Small worlds for the local planner, and one compiled planner for all of its tests."""

import dataclasses
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import smooth
from astro_jax.local.planner import initial_state, plan
from astro_jax.types import Clearance, Grid, Kind, RouteField, Tracks, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast

SMALL = PlannerConfig(
    candidates=80,
    stages=2,
    finalists=4,
    descents=2,
    gradient_steps=3,
    map_cells=40,
    people=2,
    footprint_discs=3,
    exact_discs=5,
    recorded_stride=1,
)

# run op by op they would compile their loops on every call
make_clearance = jax.jit(clearance_field, static_argnums=2)
make_forecast = jax.jit(forecast)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab:
    """Builders of inputs; everything comes out as float32 arrays."""

    robot: RobotConfig = DEFAULT_ROBOT
    config: PlannerConfig = SMALL

    @property
    def params(self) -> PlannerParams:
        return jax.tree.map(jnp.float32, PlannerParams())

    @property
    def times(self) -> np.ndarray:
        return (self.config.dt * np.arange(self.config.times)).astype(np.float32)

    def grid(self, values: np.ndarray, origin=(-1.0, -1.0), resolution=0.05) -> Grid:
        return Grid(
            values=jnp.asarray(values, jnp.float32),
            origin=jnp.asarray(origin, jnp.float32),
            resolution=jnp.float32(resolution),
        )

    def clearance(self, blocked: np.ndarray | None = None, origin=(-1.0, -1.0), edges=None):
        if blocked is None:
            blocked = np.zeros((self.config.map_cells,) * 2, bool)
        edges = jnp.zeros(blocked.shape, bool) if edges is None else jnp.asarray(edges)
        grid = self.grid(np.zeros(blocked.shape), origin, self.config.map_resolution)
        return make_clearance(jnp.asarray(blocked), grid, self.config.clearance_cells, edges)

    def plane(self, at_origin: float, slope_x: float, slope_y: float, cells: int = 80):
        """A field v + g·p, which is sampled without error everywhere; of the size of any other."""
        x, y = np.meshgrid(*2 * [np.arange(cells) * 8.0 / cells - 4.0])
        return smooth(self.grid(at_origin + slope_x * x + slope_y * y, (-4.0, -4.0), 8.0 / cells))

    def wall(self, at_origin: float, slope_x: float, slope_y: float, edge: float = 0.0):
        """A clearance that is a plane, with an obstacle that is all thing or all edge."""
        plane = self.plane(at_origin, slope_x, slope_y, self.config.map_cells)
        share = jnp.full((*plane.table.shape[:2], 1), edge, jnp.float32)
        return Clearance(
            table=jnp.concatenate([plane.table, share], axis=-1),
            origin=plane.origin,
            resolution=plane.resolution,
        )

    def tracks(
        self,
        xy=(),
        velocity=(),
        radius=0.22,
        capacity=None,
        var=(0.003, 0.003, 0.02),
        kind=Kind.PERSON,
    ):
        """Bodies at ``xy`` in the first slots; position, cross and velocity variance."""
        capacity = capacity or self.config.people
        at, going = np.full((capacity, 2), 50.0), np.zeros((capacity, 2))
        if len(xy):
            at[: len(xy)], going[: len(xy)] = xy, velocity
        a, b, c = (jnp.full(capacity, value, jnp.float32) for value in var)
        return Tracks(
            xy_map=jnp.asarray(at, jnp.float32),
            velocity_map=jnp.asarray(going, jnp.float32),
            xy_var=a,
            xy_velocity_cov=b,
            velocity_var=c,
            radius=jnp.full(capacity, radius, jnp.float32),
            kind=jnp.full(capacity, int(kind), jnp.int32),
            identity=jnp.full(capacity, -1, jnp.int32),
            credit=jnp.ones(capacity),
            valid=jnp.arange(capacity) < len(xy),
            age=jnp.float32(0.0),
        )

    def forecast(self, tracks, stride=None, ahead=0.0):
        times = jnp.asarray(self.times[:: stride or self.config.people_stride])
        return make_forecast(tracks, self.params, jnp.float32(ahead), times)

    def world(
        self,
        pose=(0.0, 0.0, 0.0),
        command=(0.0, 0.0),
        command_dot=None,
        blocked=None,
        edges=None,
        **people,
    ) -> WorldAtEffect:
        command_dot = np.zeros(len(command)) if command_dot is None else command_dot
        return WorldAtEffect(
            pose_map=jnp.asarray(pose, jnp.float32),
            command=jnp.asarray(command, jnp.float32),
            command_dot=jnp.asarray(command_dot, jnp.float32),
            clearance=self.clearance(blocked, edges=edges),
            forecast=self.forecast(self.tracks(**people), ahead=0.3),
            position_var=jnp.float32(0.0),
        )

    def field(self, goal=(1.5, 0.5, 0.0)) -> RouteField:
        """Cost-to-go over open ground: the straight distance at a cruising speed."""
        x, y = np.meshgrid(*2 * [np.arange(80) * 0.1 - 4.0])
        distance = np.sqrt((x - goal[0]) ** 2 + (y - goal[1]) ** 2 + 0.05**2)
        grid = self.grid(distance / (0.8 * self.robot.speed), (-4.0, -4.0), 0.1)
        return RouteField(cost_to_go=smooth(grid), goal_map=jnp.asarray(goal, jnp.float32))

    def scenarios(self, count: int, seed: int = 0):
        """Random states of a drive among walls and walkers: (state, world, field)."""
        random = np.random.default_rng(seed)
        cells = self.config.map_cells
        for k in range(count):
            blocked = random.random((cells, cells)) < 0.01 * random.random()
            if k % 3 == 0:
                blocked[:, -random.integers(2, 10) :] = True
            middle = slice(cells // 2 - 6, cells // 2 + 7)
            blocked[middle, middle] = False
            people = random.integers(0, self.config.people + 1)
            world = self.world(
                pose=(0.0, 0.0, random.uniform(-3, 3)),
                command=(random.uniform(0.0, 0.5), random.uniform(-0.6, 0.6)),
                command_dot=random.uniform(-0.3, 0.3, 2),
                blocked=blocked,
                xy=random.uniform(-2.0, 2.0, (people, 2)) + np.array([0.8, 0.0]),
                velocity=random.uniform(-1.0, 1.0, (people, 2)),
            )
            goal = (*random.uniform(-2, 2, 2), random.uniform(-3, 3))
            yield self.state(k), world, self.field(goal)

    def state(self, seed: int = 0):
        return initial_state(self.config, jax.random.key(seed), self.robot)


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="session")
def run_plan(lab) -> Callable[..., Any]:
    """(params, state, world, field) → plan's answer; a second compilation is an error."""

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(params, state, world, field):
        return plan(lab.robot, lab.config, params, state, world, field)

    return run
