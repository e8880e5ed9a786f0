"""Many episodes in chunks: each comes out as if it were alone, however they are cut."""

import dataclasses
import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.bench.throughput import place_of
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.errors import InputError
from astro_jax.sim import fleet
from astro_jax.sim.fleet import every, in_chunks, rollouts
from astro_jax.sim.late import split_latency
from astro_jax.sim.state import honest

SMALL = dataclasses.replace(
    DEFAULT_PLANNER, candidates=64, people=2, near_bodies=2, gradient_steps=0, finalists=4
)
PARAMS, PLACES = jnp.array([1.0, 10.0]), jnp.array([[0.5, 0.25], [3.0, 4.0], [5.0, 6.0]])


def of_one(params, place, seed):
    return {"sum": params * jnp.sum(place) + seed, "seed": seed}


def once(function):
    """What came of the first call, every time."""
    made = []

    def call(*arguments):
        if not made:
            made.append(function(*arguments))
        return made[0]

    return call


def expected(runs):
    which, where, seeds = runs.T
    return np.asarray(PARAMS)[which] * np.asarray(PLACES).sum(axis=1)[where] + seeds


def test_all_combinations_each_once():
    runs = every(2, 3, [7, 9])
    assert sorted(map(tuple, runs)) == sorted(itertools.product(range(2), range(3), (7, 9)))


@pytest.mark.parametrize("batch", [None, 1, 4, 5, 100])
def test_order_and_values_do_not_depend_on_the_chunks(batch):
    runs = every(2, 3, [7, 9, 30])
    heard = []
    found, chunking = in_chunks(of_one, PARAMS, PLACES, runs, batch, lambda *n: heard.append(n))
    np.testing.assert_allclose(found["sum"], expected(runs), rtol=1e-6)
    np.testing.assert_array_equal(found["seed"], runs[:, 2])
    assert chunking.batch == min(batch or len(runs), len(runs)) and chunking.halvings == 0
    assert heard[-1] == (len(runs), len(runs))


def test_what_exceeds_the_memory_is_halved_and_the_same(monkeypatch):
    compiled, tried = fleet.compiled, []

    def small_device(one, params, places, size):
        call = compiled(one, params, places, size)

        class Small:
            memory_analysis = call.memory_analysis

            def __call__(self, *arguments):
                tried.append(size)
                if size > 4:
                    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
                return call(*arguments)

        return Small()

    monkeypatch.setattr(fleet, "compiled", small_device)
    runs = every(2, 3, [7, 9, 30])
    found, chunking = in_chunks(of_one, PARAMS, PLACES, runs)
    np.testing.assert_allclose(found["sum"], expected(runs), rtol=1e-6)
    assert (chunking.batch, chunking.halvings) == (4, 2)
    assert tried == [18, 9, 4, 4, 4, 4, 4]


def test_what_the_compiler_wants_too_much_for_is_not_run(monkeypatch):
    monkeypatch.setattr(fleet, "_memory", lambda: 1.0)
    _, chunking = in_chunks(of_one, PARAMS, PLACES, every(2, 3, [7]))
    assert (chunking.batch, chunking.halvings) == (1, 2)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    def broken(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(fleet, "compiled", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        in_chunks(of_one, PARAMS, PLACES, every(2, 3, [7]))


def test_several_devices_share_the_episodes():
    program = """
import jax
jax.config.update("jax_num_cpu_devices", 4)
import numpy as np
from tests.sim.test_fleet import PARAMS, PLACES, every, expected, in_chunks, of_one
runs = every(2, 3, [7])
found, chunking = in_chunks(of_one, PARAMS, PLACES, runs)
assert jax.local_device_count() == 4 and chunking.batch == 8, chunking
np.testing.assert_allclose(found["sum"], expected(runs), rtol=1e-6)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("runs", "batch", "field"),
    [
        (np.zeros((0, 3), np.int32), None, "runs"),
        (np.zeros((2, 2), np.int32), None, "runs"),
        (np.array([[1, 0, 0]]), None, "runs"),
        (np.array([[0, -1, 0]]), None, "runs"),
        (np.array([[0, 0, 0]]), 0, "batch"),
    ],
)
def test_bad_input_is_named(place, runs, batch, field):
    with pytest.raises(InputError) as caught:
        rollouts(DEFAULT_ROBOT, SMALL, [PlannerParams()], [place], runs, 1, batch)
    assert caught.value.field == field


def test_places_of_different_sizes_do_not_go_together(place):
    wider = dataclasses.replace(
        place,
        scene=dataclasses.replace(place.scene, distance=jnp.pad(place.scene.distance, 1)),
    )
    with pytest.raises(InputError, match="same sizes"):
        rollouts(DEFAULT_ROBOT, SMALL, [PlannerParams()], [place, wider], every(1, 2, [0]), 1)


@pytest.fixture(scope="module")
def place():
    return place_of(DEFAULT_ROBOT, SMALL, 2, 0)


def test_an_episode_is_the_same_in_every_chunk(place, compiled_quickly, monkeypatch):
    """Bit by bit; other parameters, places and seeds make other episodes."""
    # both calls are of one size: one compilation does for them
    monkeypatch.setattr(fleet, "compiled", once(fleet.compiled))
    params = [PlannerParams(), PlannerParams(patience=1.0)]
    places = [place, dataclasses.replace(place, world=honest(split_latency(0.1)))]
    runs = every(2, 2, [5, 6])
    drive = lambda runs: rollouts(DEFAULT_ROBOT, SMALL, params, places, runs, 12, batch=3)[0]
    found = drive(runs)
    order = np.random.default_rng(0).permutation(len(runs))[:6]
    again = drive(runs[order])
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[order], b), found, again)
    assert found.pose_map.shape == (8, 60, 3) and np.all(np.isfinite(found.pose_map))
    ends = found.pose_map[:, -1]
    apart = np.abs(ends[:, None] - ends[None]).max(axis=-1) + np.eye(8)
    assert apart.min() > 0.0
    # it has begun to drive
    assert np.all(np.hypot(*(ends - found.pose_map[:, 0])[:, :2].T) > 0.02)
