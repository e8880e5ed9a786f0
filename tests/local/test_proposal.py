"""A network that says where to look: it may be anything, the plan stays what it promises."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.learning.network_file import FORM, VERSION, read_proposal, write_proposal
from astro_jax.local.judge import judge_of, looks
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of, plan
from astro_jax.local.proposal import FARTHEST, WAYS, features, propose, untaught
from astro_jax.robot import drive
from astro_jax.types import Status

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def moment(lab):
    """(state, world, field) with somebody near by."""
    return (
        lab.state(),
        lab.world(command=(0.4, 0.1), xy=[(1.2, 0.4)], velocity=[(-0.5, 0.0)]),
        lab.field(),
    )


@pytest.fixture(scope="module")
def network(lab, moment):
    state, world, field = moment
    basis = basis_of(lab.config)
    free, dimensions = drive.free_shape(lab.robot, basis)
    seen = features(lab.robot, basis, world, field, state.controls)
    assert np.all(np.isfinite(seen)) and np.abs(seen).max() < 10.0
    return untaught(jax.random.key(1), len(seen), free * dimensions)


@pytest.fixture(scope="module")
def run_with(lab):
    return jax.jit(lambda *given: plan(lab.robot, lab.config, *given))


def test_they_take_the_place_of_the_last_seeds_and_are_judged_like_others(
    lab, moment, network, run_plan, run_with
):
    state, world, field = moment
    _, _, without = run_plan(lab.params, *moment)
    _, found, with_it = run_with(lab.params, *moment, network)
    count = lab.config.candidates
    own = slice(0, count - WAYS)
    np.testing.assert_allclose(with_it.cost[own], without.cost[own], rtol=1e-4, atol=1e-4)
    basis = basis_of(lab.config)
    z = propose(lab.robot, basis, network, world, field, state.controls)
    assert z.shape[-1] == WAYS and np.abs(z).max() <= FARTHEST and np.ptp(z, axis=-1).min() > 0.0
    rough, _ = looks(lab.robot, lab.config, lab.params)
    near = nearest(lab.robot, lab.config, world)
    judge = judge_of(lab.robot, lab.config, lab.params, basis, near, field, rough)
    np.testing.assert_allclose(
        with_it.cost[count - WAYS : count], judge(z)[0], rtol=1e-3, atol=1e-3
    )
    assert int(found.status) == Status.OK


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_a_network_gone_wrong_spoils_no_plan(lab, moment, network, run_plan, run_with, value):
    broken = jax.tree.map(lambda x: jnp.full_like(x, value), network)
    _, expected, _ = run_plan(lab.params, *moment)
    _, found, diagnostics = run_with(lab.params, *moment, broken)
    assert int(found.status) == int(expected.status) == Status.OK
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))
    assert int(diagnostics.finite_candidates) == len(diagnostics.cost)


def test_it_sees_the_same_from_the_same_place_elsewhere(lab, moment):
    state, world, field = moment
    shift = jnp.array([3.0, -2.0])
    moved = dataclasses.replace(
        world,
        pose_map=world.pose_map + jnp.array([3.0, -2.0, 0.0]),
        clearance=dataclasses.replace(world.clearance, origin=world.clearance.origin + shift),
        forecast=dataclasses.replace(
            world.forecast, xy_map=world.forecast.xy_map + shift[None, None, None]
        ),
    )
    grid = field.cost_to_go
    there = dataclasses.replace(
        field,
        cost_to_go=dataclasses.replace(grid, origin=grid.origin + shift),
        goal_map=field.goal_map + jnp.array([3.0, -2.0, 0.0]),
    )
    basis = basis_of(lab.config)
    here = features(lab.robot, basis, world, field, state.controls)
    away = features(lab.robot, basis, moved, there, state.controls)
    np.testing.assert_allclose(here, away, atol=2e-3)
    # somebody else is seen, and nobody beyond the capacity asked for
    nobody = lab.world(command=(0.4, 0.1))
    other = features(lab.robot, basis, nobody, field, state.controls)
    assert len(other) == len(here) and np.abs(other - here).max() > 0.1


# ---- its file ----------------------------------------------------------------------------


def test_a_file_holds_it(network, tmp_path):
    path = tmp_path / "network.npz"
    write_proposal(path, network)
    again = read_proposal(path)
    jax.tree.map(np.testing.assert_array_equal, network, again)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: {**a, "1.weight": np.full_like(a["1.weight"], np.nan)},
        lambda a: {**a, "2.bias": a["2.bias"][:-1]},
        lambda a: {**a, "1.weight": a["1.weight"][:-1]},
        lambda a: {**a, "0.weight": a["0.weight"].astype(np.float64)},
        lambda a: {**a, "0.weight": a["0.weight"].ravel()},
        lambda a: {k: v for k, v in a.items() if k != "1.bias"},
        lambda a: {**a, "other": np.zeros(3, np.float32)},
        lambda a: {},
    ],
)
def test_another_thing_is_refused(network, tmp_path, spoil):
    path = tmp_path / "network.npz"
    write_proposal(path, network)
    arrays, _ = read_arrays(path, FORM, VERSION)
    write_arrays(path, FORM, VERSION, spoil(arrays))
    with pytest.raises(InputError, match="layer"):
        read_proposal(path)
    write_arrays(path, "astro_jax drive", VERSION, arrays)
    with pytest.raises(InputError, match=str(path)):
        read_proposal(path)


def test_the_robot_it_was_made_for_counts(lab, moment, network):
    """A network of another size is an error while it is traced, not a wrong plan."""
    assert lab.robot == DEFAULT_ROBOT
    state, world, field = moment
    first, *rest = network.layers
    short = dataclasses.replace(
        network, layers=(dataclasses.replace(first, weight=first.weight[:-1]), *rest)
    )
    with pytest.raises(InputError, match="proposal"):
        propose(lab.robot, basis_of(lab.config), short, world, field, state.controls)
