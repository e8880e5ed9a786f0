"""An episode that nobody drove, as small as can be: what its pictures are to show is known."""

import dataclasses
from typing import Any, TypeVar

import numpy as np

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.reactive.senses import Mode
from astro_jax.sim.state import CycleLog, TickLog
from astro_jax.types import (
    Clearance,
    CostTerms,
    Diagnostics,
    Forecast,
    Reason,
    RouteField,
    SmoothGrid,
    WorldAtEffect,
)
from astro_jax.viz.record import EpisodeRecord

_T = TypeVar("_T")
CYCLES, TIMES, CANDIDATES, PEOPLE, TICKS = 5, 7, 8, 3, 5
PLANNER = dataclasses.replace(
    DEFAULT_PLANNER,
    dt=0.5,
    tail_after=0.5,
    intervals=(1.0, 1.0, 1.0),
    map_cells=30,
    map_resolution=0.1,
)
OCCUPANCY = np.zeros((50, 60), np.int8)
OCCUPANCY[[0, -1]] = OCCUPANCY[:, [0, -1]] = 100
OCCUPANCY[:10, :10] = -1
ORIGIN, RESOLUTION = np.array([-1.0, -2.0]), 0.1
DOOR = np.s_[20:30, 45:47]
"""There, but not on the map."""


def made(noun: type[_T], /, **fields) -> _T:
    """The nouns are declared with JAX's arrays; here NumPy's fill them."""
    return noun(**fields)


def field(slope=(-1.0, 0.0)) -> RouteField:
    table = np.zeros((*OCCUPANCY.shape, 3), np.float32)
    table[..., 1:] = slope
    grid = made(SmoothGrid, table=table, origin=ORIGIN, resolution=np.float32(RESOLUTION))
    return made(RouteField, cost_to_go=grid, goal_map=np.array([4.0, 0.0, 0.0]))


def made_up(**changed) -> EpisodeRecord:
    cycles, rng = CYCLES, np.random.default_rng(0)
    blocked = OCCUPANCY != 0
    blocked[DOOR] = True
    time = PLANNER.period * np.arange(cycles)
    along = lambda t: np.stack([0.5 * t, 0.1 * t, 0.0 * t], axis=-1)
    ahead = PLANNER.dt * np.arange(TIMES)
    plan = along(time[:, None] + ahead)
    clearance = np.ones((cycles, 30, 30, 4), np.float32)
    clearance[:, :3] = -0.1
    fan = plan[:, None, :, :2] + 0.1 * rng.normal(size=(cycles, CANDIDATES, 1, 2)) * ahead[:, None]
    fan[:, 2, 3] = np.nan
    cost = rng.permuted(np.tile(np.arange(CANDIDATES, dtype=float), (cycles, 1)), axis=1)
    cost[:, 5] = np.nan
    cost[:, 6] = np.inf
    people = np.array([[1.0, 1.0], [2.0, -1.0], [np.nan, np.nan]])
    shape = (cycles, 4, PEOPLE, 2, 2)  # times, people, components
    expected = people[:, None, :] + 0.1 * np.arange(4)[:, None, None, None]
    expected = np.broadcast_to(expected, shape)
    variance = np.broadcast_to(0.01 * (1.0 + np.arange(4.0))[:, None, None, None], shape)
    tick_time = PLANNER.gate_period * np.arange(1, TICKS * cycles + 1)
    tracked = np.tile([True, False, False], (cycles, 1))
    zeros = np.zeros(cycles)
    log = made(
        CycleLog,
        time=time,
        pose_map=along(time),
        house_from_map=np.zeros((cycles, 3)),
        pan=np.linspace(0.0, 0.5, cycles),
        people_xy=np.tile(people, (cycles, 1, 1)),
        tracked=tracked,
        world=made(
            WorldAtEffect,
            pose_map=plan[:, 0],
            command=np.zeros((cycles, 2)),
            command_dot=np.zeros((cycles, 2)),
            position_var=zeros,
            clearance=made(
                Clearance,
                table=clearance,
                origin=along(time)[:, :2] - 1.45,
                resolution=np.full(cycles, 0.1),
            ),
            forecast=made(
                Forecast,
                xy_map=expected,
                velocity_map=np.zeros_like(expected),
                axis_map=np.broadcast_to([1.0, 0.0], shape),
                xy_var=variance,
                xy_velocity_cov=variance,
                velocity_var=variance,
                weight=np.broadcast_to([0.75, 0.25], (cycles, PEOPLE, 2)),
                radius=np.full((cycles, PEOPLE), 0.2),
                kind=np.zeros((cycles, PEOPLE), int),
                valid=tracked,
            ),
        ),
        plan_pose=plan,
        plan_twist=np.full((cycles, TIMES, 3), 0.4),
        survival=np.tile(np.linspace(1.0, 0.8, TIMES), (cycles, 1)),
        status=np.zeros(cycles, int),
        looking=np.zeros(cycles, int),
        seen=np.zeros((cycles, 1)),
        diagnostics=made(
            Diagnostics,
            cost=cost,
            candidate_xy_map=fan,
            terms=made(
                CostTerms, **dict.fromkeys((f.name for f in dataclasses.fields(CostTerms)), zeros)
            ),
            best_cost=zeros,
            sampled_cost=zeros + 0.2,
            nonfinite_gradients=np.zeros(cycles, int),
            finite_candidates=np.zeros(cycles, int),
        ),
    )
    ticks = made(
        TickLog,
        time=tick_time,
        pose_map=along(tick_time),
        twist=np.full((len(tick_time), 2), 0.5),
        command=np.full((len(tick_time), 2), 0.5),
        scale=np.where(np.arange(len(tick_time)) == 7, 0.4, 1.0),
        mode=np.where(np.arange(len(tick_time)) == 7, int(Mode.SLOWED), int(Mode.RUNNING)),
        reason=np.where(np.arange(len(tick_time)) == 7, int(Reason.SLOWED), int(Reason.CLEAR)),
        pan=np.zeros(len(tick_time)),
        people_xy=np.zeros((len(tick_time), 1, 2)),
        contacts=np.zeros(len(tick_time), int),
    )
    parts: dict[str, Any] = {
        "robot": DEFAULT_ROBOT,
        "planner": PLANNER,
        "occupancy": OCCUPANCY,
        "blocked": blocked,
        "origin": ORIGIN,
        "resolution": RESOLUTION,
        "start": np.zeros(3),
        "goal": np.array([4.0, 0.5, 1.0]),
        "radius": np.full(PEOPLE, 0.2),
        "present": np.array([True, True, False]),
        "log": log,
        "ticks": ticks,
        "routes": ((0.0, field()),),
    }
    return EpisodeRecord(**{**parts, **changed})
