"""The loop as pages drive it: goals, people, doors, things on the floor, time, moments, pictures.

One file, so that one process compiles.
"""

import dataclasses
import json
import threading
from multiprocessing import Pipe

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.play import director
from astro_jax.play.commands import (
    Door,
    Export,
    Goal,
    Paint,
    Pause,
    Person,
    Reset,
    Set,
    Step,
    Stop,
    Walk,
)
from astro_jax.play.engine import Given, run_cycle
from astro_jax.play.frame import frame_message, house_message
from astro_jax.play.layout import Kind, unpack
from astro_jax.play.moment import replay
from astro_jax.play.picture import FREE, OCCUPIED, SEEN, UNSEEN, picture_of, progress_of
from astro_jax.play.process import Outbox
from astro_jax.play.sliders import STARTS, settings
from astro_jax.reactive.sight import backing
from astro_jax.route.house import Zone
from astro_jax.route.zones import KINDS
from astro_jax.world.forecast import moments
from tests.play.made_up import DOOR_HIGH, DOOR_LOW, DOOR_X

FAST = Set(name="pace", value=10.0)
IN_DOOR = (DOOR_X, 0.5 * (DOOR_LOW + DOOR_HIGH))


@pytest.fixture
def driven(drive):
    made = drive()
    made.ask(FAST, Person(who=0, x=4.6, y=2.7))
    made.until(lambda: made.goal() is not None)
    return made


def test_goal_in_a_wall_is_said_and_stops_the_robot(driven):
    driven.until(lambda: abs(driven.frame()["speed"]) > 0.1)
    driven.ask(Goal(x=DOOR_X, y=0.6))
    driven.until(lambda: "wall" in driven.note())
    assert driven.goal() is None
    driven.until(lambda: abs(driven.frame()["speed"]) < 0.02, most=30)
    assert driven.frame()["status"] == "NO_GOAL"


def test_robot_finds_out_about_a_shut_door_by_itself(driven):
    driven.ask(Door(which=0, closed=True))  # on its left, in sight
    assert driven.newest(Kind.HOUSE)[0]["doors"][0]["closed"]
    # on its map the door is open: it sets out
    driven.ask(Goal(x=5.0, y=1.6))
    driven.until(lambda: (driven.goal() or [0.0])[0] > 4.0)
    driven.until(lambda: "in the way" in driven.note())
    assert driven.goal() is None


def test_nothing_is_put_where_somebody_is(driven):
    x, y = driven.frame()["pose"][:2]
    before = driven.newest(Kind.HOUSE)[1]["surprise"].sum()
    driven.ask(Paint(x=x, y=y))
    driven.ask(Paint(x=-50.0, y=0.0), Paint(x=5.0, y=1.0), page=2)
    assert [page for page, said in driven.answers if "error" in said] == [1, 2]
    after = driven.newest(Kind.HOUSE)[1]["surprise"].sum()
    assert after - before == 49  # 7 by 7 cells of 5 cm
    driven.ask(Paint(x=5.0, y=1.0, erase=True))
    assert driven.newest(Kind.HOUSE)[1]["surprise"].sum() == before


def test_door_does_not_shut_on_somebody(driven):
    driven.ask(Stop(), Person(who=0, x=IN_DOOR[0], y=IN_DOOR[1]))
    at = lambda: np.hypot(*(driven.newest(Kind.FRAME)[1]["people"][0, :2] - IN_DOOR))
    driven.until(lambda: at() < 0.1)
    driven.ask(Door(which=0, closed=True), Door(which=9, closed=True))
    assert ["door" in said["error"] for _, said in driven.answers] == [True, True]
    assert not driven.newest(Kind.HOUSE)[0]["doors"][0]["closed"]


def test_somebody_walks_where_they_are_sent(driven):
    driven.ask(Stop(), Walk(who=0, x=4.6, y=-20.0))  # as far as the wall
    seen = []
    for _ in range(40):
        driven.loop.turn()
        seen.append(driven.newest(Kind.FRAME)[1]["people"][0, :2])
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    assert low[1] < 1.0
    assert high[0] - low[0] < 0.8
    driven.ask(Walk(who=0, x=1e3, y=1e3), Walk(who=7, x=1.0, y=1.0), Person(who=7, x=1.0, y=1.0))
    assert len(driven.answers) >= 2


def test_who_holds_and_goes_lets_go(driven, monkeypatch):
    for gone in (True, False):
        driven.ask(Goal(x=5.0, y=1.6, held=True), page=3)
        driven.until(lambda: (driven.goal() or [0.0])[0] > 4.0)
        if gone:  # the page has left
            driven.ask(None, page=3)
        else:  # it is there, and silent
            monkeypatch.setattr(director, "HELD_FOR", -1.0)
            driven.ask(Goal(x=5.0, y=1.6, held=True), page=3)
        assert driven.goal() is None
        assert "let go" in driven.note()
        assert driven.frame()["status"] == "NO_GOAL"


def test_released_goal_outlives_its_page(driven):
    driven.ask(Goal(x=5.0, y=1.6, held=True), page=3)
    driven.ask(Goal(x=5.0, y=1.6), page=3)
    driven.ask(None, page=3)
    driven.until(lambda: (driven.goal() or [0.0])[0] > 4.0)


def test_time_stands_still_and_steps(driven):
    driven.ask(Pause(on=True))
    number = driven.frame()["cycle"]
    driven.loop.turn()
    assert driven.frame()["cycle"] == number
    driven.ask(Step(), Step())
    driven.loop.turn()
    driven.loop.turn()
    assert driven.frame()["cycle"] == number + 2
    driven.ask(Pause(on=False))
    assert driven.frame()["cycle"] == number + 3


def test_reset_begins_again(driven):
    driven.ask(Set(name="latency", value=0.1), Door(which=0, closed=True))
    driven.ask(Reset())
    assert driven.frame()["time"] == 0.0
    assert driven.newest(Kind.NEWS)[0]["values"]["latency"] == 0.3
    assert not driven.newest(Kind.HOUSE)[0]["doors"][0]["closed"]


def test_moment_is_replayed_bit_by_bit(driven, ready):
    driven.ask(Set(name="latency", value=0.17), Paint(x=2.0, y=2.4))
    for _ in range(12):
        driven.loop.turn()
    number = driven.frame()["cycle"] - 3
    driven.ask(Export(cycle=number))
    assert driven.answered.wait(30.0)
    text = driven.answers[-1][1]["moment"]
    then, now = replay(text, ready.engine)
    assert now == then
    # a different beginning ends differently
    document = json.loads(text)
    document["outcome"]["sha256"] = "0" * 64
    then, now = replay(json.dumps(document), ready.engine)
    assert now != then
    driven.answers.clear()
    driven.ask(Export(cycle=10**6))
    assert "cycle" in driven.answers[-1][1]["error"]
    for change in (
        {"astro_jax moment": 2},
        {"cell": "x"},
        {"form": {}},
        {"arrays": "AAAA"},
        {"outcome": {"pose": "x"}},
        {"robot": {"speeed": 1.0}},
        {"cycle": 1.5},
    ):
        with pytest.raises(InputError):
            replay(json.dumps({**json.loads(text), **change}), ready.engine)


def test_loop_does_not_wait_for_a_pipe_that_nobody_reads(driven):
    here, there = Pipe()
    outbox = Outbox(here)
    sending = threading.Thread(target=outbox.run, daemon=True)
    sending.start()
    for _ in range(50):  # more than any pipe holds
        driven.loop.turn()
        for data in driven.slots.newer(0)[1]:
            outbox.slots.put(data[1], data)
    newest = driven.frame()["cycle"]
    read = []
    while not read or read[-1] != newest:
        kind, head, _ = unpack(there.recv_bytes())
        if kind == Kind.FRAME:
            read.append(head["cycle"])
    assert read == sorted(read)
    assert len(read) < 50
    there.close()
    outbox.answer(1, {"error": "nobody is there"})
    sending.join(10.0)
    assert not sending.is_alive()


# ---- what is shown of a cycle ---------------------------------------------------------------


def given_at_start(ready):
    world, params = settings(ready.start.params, STARTS)
    scene, field = ready.start.stage.scene, ready.start.field
    return Given(world=world, params=params, scene=scene, field=field)


@pytest.fixture(scope="module")
def cycled(ready):
    """(Config with all candidates recorded, state after some cycles, the last cycle)."""
    engine, start, given = ready.engine, ready.start, given_at_start(ready)
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


def test_progress_counts_as_far_as_the_robot_is_likely_to_get_there(ready):
    config, given = ready.engine.config, given_at_start(ready)
    _, cycle = run_cycle(ready.engine, config.candidates, given, ready.start.state)
    # the robot's own frame is still that of the house: the objective has found the same
    log, terms = cycle.log, cycle.log.diagnostics.terms
    assert float(cycle.picture.counted[-1]) == pytest.approx(float(terms.progress), abs=1e-4)
    assert float(cycle.picture.counted[-1]) > 0.5
    robot = backing(ready.engine.robot)
    half = dataclasses.replace(log, survival=jnp.full_like(log.survival, 0.5))
    promised, counted = progress_of(robot, config, given.params, given.field, half)
    assert promised[0] == counted[0] == 0.0
    np.testing.assert_allclose(promised, cycle.picture.promised, atol=1e-5)
    np.testing.assert_allclose(counted, 0.5 * promised, atol=1e-5)


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


def test_costs_that_are_not_finite_are_not_shown(cycled, ready):
    config, (local_map, cycle) = cycled
    log, guided = cycle.log, given_at_start(ready)
    cost = log.diagnostics.cost.copy()
    cost[::3] = np.nan
    cost[1] = np.inf

    bad = dataclasses.replace(log, diagnostics=dataclasses.replace(log.diagnostics, cost=cost))
    robot = backing(ready.engine.robot)
    picture = picture_of(robot, config, guided.params, guided.field, bad, local_map)
    assert picture.usable == np.isfinite(cost).sum()


def test_zones_lie_where_the_map_has_them(ready):
    corners = np.array([[0.5, 0.5], [1.5, 0.5], [1.5, 1.0]])
    zones = tuple(Zone(name=kind, kind=kind, outline=corners) for kind in KINDS.values())
    house = dataclasses.replace(ready.start.stage.house_map, zones=zones)
    stage = dataclasses.replace(ready.start.stage, house_map=house)
    _, head, _ = unpack(house_message(ready.engine.robot, ready.engine.config, stage, (100,)))
    assert [zone["kind"] for zone in head["zones"]] == list(KINDS)
    assert all(zone["outline"] == corners.tolist() for zone in head["zones"])
    assert len({zone["colour"] for zone in head["zones"]}) == len(KINDS)


def test_frame_is_finite_json_and_small(cycled, ready):
    _, (_, cycle) = cycled
    data = frame_message(3, cycle, ready.start.state, True, False, {"plan": 1.0})
    _, head, arrays = unpack(data)
    assert head["cycle"] == 3
    assert arrays["motion"].shape == (5, 4)
    assert len(arrays["fan"]) == cycle.picture.usable
    assert len(data) < 120_000
