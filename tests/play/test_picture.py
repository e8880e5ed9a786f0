"""What is shown of a cycle is what was computed: an order, places, words."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from astro_jax.play.engine import run_cycle
from astro_jax.play.frame import frame_message
from astro_jax.play.layout import unpack
from astro_jax.play.picture import FREE, OCCUPIED, SEEN, UNSEEN, picture_of
from astro_jax.play.setup import Given
from astro_jax.play.sliders import STARTS, settings
from astro_jax.play.words import REASONS, STATUSES, doing
from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason, Status
from astro_jax.world.forecast import moments


@pytest.fixture(scope="module")
def cycled(ready):
    """(Config with all candidates recorded, state after some cycles, the last cycle)."""
    engine, start = ready.engine, ready.start
    world, params = settings(start.params, STARTS)
    given = Given(world=world, params=params, scene=start.stage.scene, field=start.field)
    state, cycle = start.state, None
    for _ in range(15):
        state, cycle = run_cycle(engine, engine.config.candidates, given, state)
    assert cycle
    log, ticks, picture = jax.device_get((cycle.log, cycle.ticks, cycle.picture))
    cycle = dataclasses.replace(cycle, log=log, ticks=ticks, picture=picture)
    return engine.config, (jax.device_get(state.robot.local_map), cycle)


def test_candidates_come_worst_first_where_they_are(cycled):
    _, (_, cycle) = cycled
    seen, picture = cycle.log.diagnostics, cycle.picture
    fine = np.flatnonzero(np.isfinite(seen.cost))
    order = fine[np.argsort(seen.cost[fine])][::-1]
    assert picture.usable == len(order) > 50
    shown = picture.candidates[-len(order) :] / 1000.0 + cycle.log.pose_map[:2]
    apart = np.abs(shown - seen.candidate_xy_map[order][:, ::2]).max(axis=(1, 2))
    # equal costs may swap
    assert np.mean(apart < 6e-4) > 0.9
    assert apart[-1] < 6e-4


def test_clouds_have_the_moments_of_the_forecast(cycled):
    config, (_, cycle) = cycled
    bodies = cycle.log.world.forecast
    mean, covariance = moments(bodies)
    steps = [round(t / (config.dt * config.people_stride)) for t in (1.0, 2.0, 3.0)]
    x, y, along, across, turn, weight = np.moveaxis(cycle.picture.people, -1, 0)
    for k, step in enumerate(steps):
        for m in np.flatnonzero(bodies.valid):
            xy = np.stack([x[k, m], y[k, m]], axis=-1)
            centre = weight[k, m] @ xy
            np.testing.assert_allclose(centre, mean[step, m], atol=1e-4)
            total = np.zeros((2, 2))
            for c, share in enumerate(weight[k, m]):
                turned = np.array([np.cos(turn[k, m, c]), np.sin(turn[k, m, c])])
                beside = np.array([-turned[1], turned[0]])
                total += share * along[k, m, c] ** 2 * np.outer(turned, turned)
                total += share * across[k, m, c] ** 2 * np.outer(beside, beside)
                total += share * np.outer(xy[c] - centre, xy[c] - centre)
            np.testing.assert_allclose(total, covariance[step, m], rtol=1e-3, atol=1e-4)


def test_cells_say_what_was_seen(cycled):
    config, (local_map, cycle) = cycled
    cells = cycle.picture.cells
    assert set(np.unique(cells)) == {FREE, UNSEEN, OCCUPIED}
    assert np.all(np.abs(local_map.evidence[cells == UNSEEN]) < SEEN)
    assert np.all(local_map.grid.values[cells == OCCUPIED] >= 0.0)
    assert np.all(local_map.grid.values[cells == FREE] < 0.0)
    # the robot looks ahead from where it stands: what is before it has been seen to be free
    pose = cycle.log.pose_map
    ahead = pose[:2] + 0.5 * np.array([np.cos(pose[2]), np.sin(pose[2])])
    column, row = np.rint((ahead - local_map.grid.origin) / config.map_resolution).astype(int)
    assert cells[row, column] == FREE


def test_costs_that_are_not_finite_are_not_shown(cycled):
    config, (local_map, cycle) = cycled
    log = cycle.log
    cost = log.diagnostics.cost.copy()
    cost[::3] = np.nan
    cost[1] = np.inf

    bad = dataclasses.replace(log, diagnostics=dataclasses.replace(log.diagnostics, cost=cost))
    picture = picture_of(config, bad, local_map)
    assert picture.usable == np.isfinite(cost).sum()


def test_frame_is_finite_json_and_small(cycled, ready):
    _, (_, cycle) = cycled
    data = frame_message(3, cycle, ready.start.state, True, False, {"plan": 1.0})
    _, head, arrays = unpack(data)
    assert head["cycle"] == 3
    assert arrays["motion"].shape == (5, 4)
    assert len(arrays["fan"]) == cycle.picture.usable
    assert len(data) < 120_000


def test_everything_has_its_words():
    assert REASONS.keys() == set(Reason)
    assert STATUSES.keys() == set(Status)
    for status, mode, reason in itertools.product(Status, Mode, Reason):
        tone, says = doing(status, mode, reason, 0.3, goal=True, arrived=False)
        assert says
        fine = status == Status.OK and mode in (Mode.RUNNING, Mode.SLOWED)
        assert (tone == "stop") == (not fine)
        assert doing(status, mode, reason, 0.0, goal=False, arrived=False)[0] == "stop"
