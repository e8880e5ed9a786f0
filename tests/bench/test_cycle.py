"""The benches measure what they say: real moments, blocked calls, the right counts."""

import dataclasses
import functools
from unittest.mock import create_autospec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax import navigator
from astro_jax.bench import clock
from astro_jax.bench.bare import CELLS, _fields, judge_bare, nearest_cell, variants
from astro_jax.bench.cycle import bench_cycle, cycle_of, with_sizes
from astro_jax.bench.moments import ROOM, moments
from astro_jax.bench.stages import stages_of
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency, PlannerParams
from astro_jax.errors import InputError
from astro_jax.geometry import sample_xy
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TWO_STAGES = dataclasses.replace(DEFAULT_PLANNER, stages=2)
SMALL = dataclasses.replace(
    TWO_STAGES, candidates=64, gradient_steps=2, map_cells=60, people=3, recorded_stride=1
)
PEOPLE = 3
PARAMS, LATENCY = jax.tree.map(jnp.float32, (PlannerParams(), Latency()))


@pytest.fixture(scope="module")
def small_cycle():
    return jax.jit(cycle_of(DEFAULT_ROBOT, SMALL))


@pytest.fixture(scope="module")
def found(small_cycle):
    return moments(DEFAULT_ROBOT, SMALL, PARAMS, LATENCY, PEOPLE, 3, 0, small_cycle)


def test_people_stand_in_free_space_of_the_local_map(found):
    half = SMALL.map_cells * SMALL.map_resolution / 2
    for moment in found:
        tracks = moment.state.tracks
        xy = np.asarray(tracks.xy_map)[np.asarray(tracks.valid)]
        assert len(xy) == PEOPLE
        off = xy - np.asarray(moment.snapshot.odometry.pose_map)[:2]
        assert np.all(np.abs(off) < half + 1e-3) and np.all(np.hypot(*off.T) > ROOM - 1e-3)
        cell = np.round((xy - np.asarray(moment.house.origin)) / float(moment.house.resolution))
        column, row = cell.astype(int).T
        assert np.all(np.asarray(moment.house.values)[row, column] < 0.0)
        speed = np.hypot(*np.asarray(tracks.velocity_map)[:PEOPLE].T)
        assert np.all((speed > 0.1) & (speed < 1.3))


def test_the_robot_is_under_way_with_a_warm_plan(found, small_cycle):
    speeds = [float(jnp.linalg.norm(moment.state.gate.twist)) for moment in found]
    assert np.median(speeds) > 0.05  # one may have to wait for somebody
    for moment in found:
        assert int(moment.state.plan.status) == 0
        assert np.any(np.asarray(moment.state.planner.controls) != 0.0)
        _, plan, diagnostics = small_cycle(PARAMS, LATENCY, moment)
        assert int(diagnostics.finite_candidates) == 2 * SMALL.candidates
        assert np.all(np.isfinite(np.asarray(plan.commands)))


def test_moments_differ(found):
    poses = np.array([np.asarray(m.snapshot.odometry.pose_map) for m in found])
    assert np.min(np.hypot(*np.diff(poses[:, :2], axis=0).T)) > 0.5


def test_stages_compute_what_the_cycle_does(found):
    calls = stages_of(DEFAULT_ROBOT, SMALL, PARAMS, LATENCY, found[0])
    assert calls["seeds"]().shape[-1] == SMALL.candidates
    z, cost, _ = calls["sampling"]()
    assert z.shape[-1] == cost.shape[0] == SMALL.candidates * SMALL.stages
    # screening is the first stage of sampling on the same seeds
    np.testing.assert_allclose(calls["screening"](), cost[: SMALL.candidates], rtol=2e-3, atol=2e-3)
    refined, bad = calls["refinement"]()
    assert int(bad) == 0 and np.all(np.isfinite(np.asarray(refined)))


def test_the_report_counts_steps_and_compilations(monkeypatch):
    from astro_jax.bench import cycle

    seen = {}

    def compile_times(robot, config):
        seen["config"] = config
        return {"compile_s": 1.0, "compile_warm_s": 1.0}

    monkeypatch.setattr(cycle, "compile_times", compile_times)
    monkeypatch.setattr(cycle, "MOMENTS", 2)
    monkeypatch.setattr(cycle, "STAGE_RUNS", 2)
    # what the tests above have compiled comes out of the cache; all of ``think`` they have not
    think = create_autospec(navigator.think, side_effect=lambda *given: given[4].plan_age)
    monkeypatch.setattr(navigator, "think", think)
    report = bench_cycle(DEFAULT_ROBOT, SMALL, PlannerParams(), PEOPLE, 6, 4, 0)
    metrics = report.metrics
    # traced once, whatever is run how often
    (given,) = think.call_args_list
    assert given.args[:2] == (DEFAULT_ROBOT, SMALL) and metrics["think_ms"] > 0.0
    assert seen["config"] == SMALL
    assert metrics["recompiles"] == 0 and metrics["candidates"] == 128
    steps = 128 * (SMALL.times - 1)
    assert metrics["ns_per_step"] == pytest.approx(1e6 * metrics["median_ms"] / steps)
    assert metrics["steps_per_s"] == pytest.approx(1e9 / metrics["ns_per_step"])
    assert 0.0 < metrics["min_ms"] <= metrics["median_ms"] <= metrics["p99_ms"]
    assert metrics["people"] == PEOPLE and len(report.cases) == 2
    assert {"stage_seeds_ms", "stage_sampling_ms", "stage_refinement_ms"} <= set(metrics)
    assert report.as_dict()["metrics"]["soak_cycles"] == 4


def test_calls_are_blocked_on():
    """A matrix product of known size cannot be faster than the machine."""
    a = jnp.ones((600, 600))
    product = jax.jit(lambda a: a @ a @ a @ a)
    wall, cpu = clock.timed([functools.partial(product, a)], 5)
    # 3 products of .43 GFLOP at no more than 1 TFLOP/s
    assert wall.min() > 3 * 2 * 600**3 / 1e12 and cpu > 0.0


def test_one_core_means_one_core():
    assert clock.in_fresh_process(_core_use, threads=1) == (1, 1)


def _core_use() -> tuple[int, int]:
    return len(clock.cores()), jax.device_count()


def test_a_fresh_process_sees_its_environment_and_leaves_ours():
    import os

    before = dict(os.environ)
    seen = clock.in_fresh_process(os.getenv, "ASTRO_BENCH_X", environment={"ASTRO_BENCH_X": "7"})
    assert seen == "7" and dict(os.environ) == before


@pytest.mark.parametrize("count", [0, 1, 97, 601, 4_000_000])
def test_sizes_out_of_range_are_refused(count):
    with pytest.raises(InputError, match="candidates"):
        with_sizes(TWO_STAGES, count, None)


def test_sizes_change_what_they_name():
    config = with_sizes(TWO_STAGES, 1200, 0)
    assert config.candidates * config.stages == 1200 and config.people == 1
    assert with_sizes(DEFAULT_PLANNER, None, None) == DEFAULT_PLANNER
    with pytest.raises(InputError, match="people"):
        with_sizes(DEFAULT_PLANNER, None, -1)


# ---- the yardstick --------------------------------------------------------------------


def test_all_layouts_judge_the_same_motions():
    calls = variants(DEFAULT_ROBOT, DEFAULT_PLANNER, 64, seed=1)
    for lookup in ("nearest", "smooth"):
        last, best = calls[f"last_{lookup}"]()
        first, also_best = calls[f"first_{lookup}"]()
        np.testing.assert_allclose(last, first, rtol=1e-4, atol=1e-3)
        assert int(best) == int(also_best) == int(np.argmin(last))


def test_nearest_cell_is_the_nearest():
    random = np.random.default_rng(0)
    field, _ = _fields(random)
    values = np.asarray(field.table[..., 0])
    xy = random.uniform(-4.0, 4.0, (500, 2)).astype(np.float32)  # some outside
    index = np.clip(np.floor((xy + 0.05 * CELLS / 2) / 0.05 + 0.5), 0, CELLS - 1).astype(int)
    found = jax.jit(nearest_cell)(field, xy[:, 0], xy[:, 1])
    edge = np.abs((xy + 3.0) / 0.05 % 1.0 - 0.5).min(axis=1) > 1e-3
    np.testing.assert_array_equal(np.asarray(found)[edge], values[index[:, 1], index[:, 0]][edge])


def test_bare_cost_is_the_sum_it_says():
    random = np.random.default_rng(2)
    fields = _fields(random)
    basis = basis_of(DEFAULT_PLANNER)
    z = jnp.asarray(random.normal(size=(*drive.free_shape(DEFAULT_ROBOT, basis), 5)), jnp.float32)

    @jax.jit
    def both(z):
        cost = judge_bare(DEFAULT_ROBOT, DEFAULT_PLANNER, sample_xy, z, *fields)
        command = jnp.array([0.4, 0.0])
        controls = drive.decode(DEFAULT_ROBOT, basis, command, jnp.zeros(2), z)
        return cost, drive.motion(DEFAULT_ROBOT, basis, jnp.array([0.0, 0.0, 0.3]), controls)

    cost, motion = both(z)
    pose, slope = np.asarray(motion.pose_map), np.asarray(motion.twist_dot)
    look = jax.jit(sample_xy)
    at = np.sum([np.asarray(look(field, pose[:, 0], pose[:, 1])) for field in fields], axis=0)
    expected = at.sum(0) + 0.1 * (slope[:, 0] ** 2 + slope[:, 2] ** 2).sum(0)
    np.testing.assert_allclose(cost, expected, rtol=1e-4)
