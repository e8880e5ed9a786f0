"""Each stage of a planning cycle compiled alone, on the inputs it has within the cycle. [host]

The compiler fuses and shares across stages, and every call has an overhead of its own: the
sum of the stages differs from the whole.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from astro_jax import navigator
from astro_jax.bench.moments import Moment
from astro_jax.body.gaze import ahead
from astro_jax.body.screen import plan_screen
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local import candidates
from astro_jax.local.judge import judge_of, looks
from astro_jax.local.metric import inverse_metric
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of
from astro_jax.local.refine import refine
from astro_jax.local.search import best_first, distinct, search
from astro_jax.local.tail import stopping_tail
from astro_jax.route.crop import crop_field
from astro_jax.types import WorldAtEffect
from astro_jax.world.actuation import identify
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.grid import occupied, update_map
from astro_jax.world.people import follow


def stages_of(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: Latency,
    moment: Moment,
) -> dict[str, Callable[[], Any]]:
    """Calls without arguments, by stage, in the order of the cycle."""
    basis, key = basis_of(config), jax.random.key(0)

    def judge(params, world, field, exact: bool, near: bool = True):
        world = nearest(robot, config, world) if near else world
        look = looks(robot, config, params)[exact]
        return judge_of(robot, config, params, basis, world, field, look)

    def tracking(params, latency, moment: Moment):
        seen, at = moment.snapshot.detections, moment.snapshot.odometry.pose_map[:2]
        return follow(moment.state.tracks, seen, at, config.period)

    def mapping(params, latency, moment: Moment):
        state, snapshot = moment.state, moment.snapshot
        at = snapshot.odometry.pose_map[:2]
        local = update_map(
            robot,
            config,
            state.local_map,
            moment.house,
            snapshot.house_from_map,
            snapshot.scan,
            state.tracks,
            at,
        )
        return local, clearance_field(
            occupied(local), local.grid, config.clearance_cells, local.edge
        )

    def predict(params, latency, moment: Moment):
        odometry = moment.snapshot.odometry
        return navigator.predict(robot, config, params, moment.state, odometry)

    def identification(params, latency, moment: Moment):
        state, odometry = moment.state, moment.snapshot.odometry
        return identify(robot, latency, state.actuation, state.sent, odometry, config.gate_period)

    def fast_forward(params, latency, moment: Moment):
        world = predict(params, latency, moment)
        return world.pose_map, world.command, world.command_dot

    def guidance(params, latency, moment: Moment):
        local = moment.state.local_map.grid
        return crop_field(moment.field, moment.snapshot.house_from_map, local)

    def forecasting(params, latency, moment: Moment):
        times = config.dt * jnp.arange(0, config.times, config.people_stride, dtype=jnp.float32)
        return forecast(moment.state.tracks, params, latency.command, times)

    def seeds(params, world: WorldAtEffect, moment: Moment):
        previous = moment.state.planner.controls
        return candidates.seeds(robot, config, params, basis, world, moment.field, previous, key)

    def screening(params, world, moment: Moment, z):
        return judge(params, world, moment.field, exact=False)(z)[0]

    def sampling(params, world, moment: Moment, z):
        return search(config, judge(params, world, moment.field, exact=False), z, key)

    def refinement(params, world, moment: Moment, starts, cost):
        metric = inverse_metric(robot, config, params, basis, world, starts)
        rough = judge(params, world, moment.field, exact=False)
        return refine(rough, starts, cost, metric, config.gradient_steps, config.step_lengths)

    def decision(params, world, moment: Moment, heard):
        return judge(params, world, moment.field, exact=True, near=False)(heard)

    def tail(params, world, moment: Moment, judged):
        best = jax.tree.map(lambda leaf: leaf[..., 0], judged)
        exact = looks(robot, config, params)[1]
        return stopping_tail(robot, config, params, basis, world, best, exact)

    def screen(params, world, moment: Moment, judged):
        motion = jax.tree.map(lambda leaf: leaf[..., 0], judged.motion)
        state, gaze, delay = moment.state.screen, ahead(), moment.state.actuation.delay
        return plan_screen(robot, config, params, basis, state, gaze, world, motion, delay)

    calls: dict[str, Callable[[], Any]] = {}

    def add(stage: Callable[..., Any], *arguments: Any) -> Any:
        jitted = jax.jit(stage)
        calls[stage.__name__] = functools.partial(jitted, *arguments)
        return jitted(*arguments)

    add(tracking, params, latency, moment)
    add(mapping, params, latency, moment)
    add(identification, params, latency, moment)
    add(fast_forward, params, latency, moment)
    add(forecasting, params, latency, moment)
    add(guidance, params, latency, moment)
    world = jax.jit(predict)(params, latency, moment)
    z = add(seeds, params, world, moment)
    add(screening, params, world, moment, z)
    all_z, cost, xy = add(sampling, params, world, moment, z)
    finalists = best_first(all_z, cost, config.finalists)
    starts, start_cost = distinct(all_z, cost, xy, config.descents)
    refined, _ = add(refinement, params, world, moment, starts, start_cost)
    heard = jnp.concatenate([z[..., :1], finalists, refined], axis=-1)
    _, judged = add(decision, params, world, moment, heard)
    add(tail, params, world, moment, judged)
    add(screen, params, world, moment, judged)
    return calls
