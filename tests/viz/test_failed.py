"""The picture of an episode that failed shows how it failed: read off its axes, not its pixels."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra viz")

from matplotlib.colors import to_rgba

from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.sim.odometry import EXACT
from astro_jax.sim.state import honest
from astro_jax.suites import crowd
from astro_jax.suites.case import Case, Setup
from astro_jax.suites.floor import FAR, floor_of, recorded_scene
from astro_jax.types import Kind
from astro_jax.viz import failed, shapes, style
from astro_jax.viz.ended import ending
from astro_jax.viz.happened import SAMPLES, happened, unbroken
from tests.suites.made_up import TICK, trace_of

RADIUS, TICKS, STRUCK, SPEED = 0.25, 300, 200, 0.247
GOAL = np.array([3.0, 0.5, 1.0])
NAMED = {"suite": "made-up", "variant": "plain", "planner": "astro", "case": "a", "run": 2}
FAILED = {**NAMED, "success": False, "collision": True, "timeout": False, "at_fault": True}
SETUP = Setup(robot=DEFAULT_ROBOT, config=PlannerConfig(people=4), params=PlannerParams())
DOOR = np.s_[30:50, 110:112]
"""In the way on the true floor, but not on the robot's map."""


def case_of(known: bool = True, **scene: Any) -> Case:
    """A floor of 8 x 4 m with a pillar, three bodies and a fourth slot that is nobody's."""
    pillar = np.zeros((80, 160), bool)
    pillar[66:76, 100:110] = True
    house = floor_of((-3.0, -2.0), (5.0, 2.0), 0.05, "floor", pillar)
    walks = np.zeros((3, 10, 2))
    made = recorded_scene(house, np.zeros(3), GOAL, walks, 0.1, RADIUS, 4)
    truth = house.blocked.copy()
    truth[DOOR] = True
    made = dataclasses.replace(
        made, blocked=truth, reached=np.array([0.4, 0.3, 0.05], np.float32), **scene
    )
    if not known:
        unknown = np.full_like(house.occupancy, -1)
        house = dataclasses.replace(house, occupancy=unknown, unknown_is_free=True)
    return Case(
        name="a",
        stratum="all",
        scene=made,
        house_map=house,
        world=honest(Latency(), EXACT),
        seconds=6.0,
        shortest_path=3.0,
    )


def trace_at(struck: tuple[int, ...] = (STRUCK,), **given: Any):
    """Ahead at .247 m/s; one body comes head-on, one is elsewhere or nowhere, one jumps."""
    time = TICK * np.arange(1, TICKS + 1)
    xy = np.column_stack([SPEED * time, 0 * time])
    touches = SPEED * time[STRUCK] + DEFAULT_ROBOT.length / 2 + RADIUS
    people = np.full((TICKS, 4, 2), FAR)
    people[:, 0] = np.column_stack([touches - 0.8 * (time - time[STRUCK]), 0 * time])
    people[:, 1] = [1.0, -1.7]
    people[:100, 1] = np.nan
    people[:, 2] = np.where(time[:, None] < 3.0, [-2.0, 1.0], [4.0, 1.0])
    people[:, 3] = [0.5, 0.5]  # whoever is not present is not there
    trace = trace_of(xy, people, **given)
    for tick in struck:
        trace.ticks.contacts[tick:] += 1
    trace.ticks.scale[50:60] = 0.25
    trace.ticks.twist[:, 1] = 0.1 * time
    return trace


def named(axes, name: str) -> Any:
    (found,) = [artist for artist in axes.get_children() if artist.get_gid() == name]
    return found


@pytest.fixture(scope="module")
def drawn():
    case, trace = case_of(), trace_at()
    return case, trace, failed.failed_figure(case, SETUP, trace, FAILED)


def test_ways_are_where_everybody_was_and_when(drawn):
    _, trace, figure = drawn
    overview = figure.axes[0]
    way = named(overview, "robot")
    pieces = np.array(way.get_segments())
    np.testing.assert_allclose(pieces[:, 0], trace.ticks.pose_map[:-1, :2])
    assert way.get_clim() == (0.0, trace.ticks.time[-1]) and way.get_cmap() == style.TIME
    other = named(overview, "person 0")
    np.testing.assert_allclose(np.array(other.get_segments())[:, 0], trace.ticks.people_xy[:-1, 0])
    np.testing.assert_allclose(other.get_array(), way.get_array())
    assert other.get_clim() == way.get_clim()
    assert not [a for a in overview.get_children() if a.get_gid() == "person 3"]


def test_whoever_is_nowhere_is_not_drawn_and_a_jump_is_no_way(drawn):
    _, _, figure = drawn
    (since,) = [len(named(figure.axes[0], "person 1").get_segments())]
    assert since == TICKS - 100 - 1
    jumper = np.array(named(figure.axes[0], "person 2").get_segments())
    assert np.hypot(*(jumper[:, 1] - jumper[:, 0]).T).max() == 0.0
    assert set(jumper[:, 0, 0]) == {-2.0, 4.0}
    far = np.array([[0.0, 0.0], [0.1, 0.0], [3.0, 0.0], [3.1, 0.0]])
    assert np.isnan(unbroken(far, TICK * np.arange(4))).any(axis=1).tolist() == [0, 0, 1, 0]


def test_bodies_stand_where_they_were_at_the_touch(drawn):
    _, trace, figure = drawn
    for axes in figure.axes[:2]:
        discs = np.array([p.vertices[:-1].mean(axis=0) for p in named(axes, "bodies").get_paths()])
        np.testing.assert_allclose(discs[0], trace.ticks.people_xy[STRUCK, 0], atol=0.02)
        assert len(discs) == 3


def test_the_touch_is_marked_on_the_outline_and_in_time(drawn):
    _, trace, figure = drawn
    overview, close_up = figure.axes[:2]
    front = trace.ticks.pose_map[STRUCK, :2] + [DEFAULT_ROBOT.length / 2, 0.0]
    for axes in (overview, close_up):
        np.testing.assert_allclose(named(axes, "contacts").get_xydata(), [front], atol=0.01)
    lines = [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == "contact"]
    assert len(lines) == 6
    assert {line.get_xdata()[0] for line in lines} == {trace.ticks.time[STRUCK]}
    assert [text.get_text() for text in close_up.texts if "touched" in text.get_text()] == [
        f"touched at {trace.ticks.time[STRUCK]:.2f} s"
    ]


def test_the_close_up_shows_the_seconds_around_the_touch(drawn):
    _, trace, figure = drawn
    at = trace.ticks.time[STRUCK]
    way = named(figure.axes[1], "robot")
    assert way.get_clim() == pytest.approx((at - failed.BEFORE, at + failed.AFTER))
    assert way.get_array().min() >= at - failed.BEFORE - 1e-6
    (x_low, x_high), (y_low, y_high) = figure.axes[1].get_xlim(), figure.axes[1].get_ylim()
    assert x_low < trace.ticks.pose_map[STRUCK, 0] < trace.ticks.people_xy[STRUCK, 0, 0] < x_high
    frame = named(figure.axes[0], "close-up")
    np.testing.assert_allclose(frame.get_xy(), (x_low, y_low))
    assert (frame.get_width(), frame.get_height()) == pytest.approx(
        (x_high - x_low, y_high - y_low)
    )


def test_curves_are_the_logs(drawn):
    _, trace, figure = drawn
    ticks = trace.ticks
    for kept in (figure.axes[2:7], figure.axes[7:]):
        curves = {a.get_gid(): a for axes in kept for a in axes.get_children() if a.get_gid()}
        np.testing.assert_allclose(curves["speed"].get_ydata(), ticks.twist[:, 0])
        np.testing.assert_allclose(curves["yaw rate"].get_ydata(), ticks.twist[:, 1])
        np.testing.assert_allclose(curves["gate"].get_ydata(), 100 * ticks.scale)
        times, gap = curves["people"].get_xydata().T
        ahead = ticks.people_xy[:, 0, 0] - ticks.pose_map[:, 0] - DEFAULT_ROBOT.length / 2 - RADIUS
        near = (times > 3.0) & (times < 4.0)
        np.testing.assert_allclose(
            gap[near], np.minimum(np.interp(times[near], ticks.time, ahead), 1.0), atol=1e-6
        )
        # the door begins half a cell before column 110
        times, gap = curves["walls"].get_xydata().T
        front = -3.0 + 110 * 0.05 - SPEED * times - DEFAULT_ROBOT.length / 2
        np.testing.assert_allclose(gap, np.minimum(front, 1.0), atol=0.01)


def test_the_floor_is_striped_where_the_map_is_silent_and_plain_without_a_map():
    def colours(case):
        trace = trace_at()
        overview = failed.failed_figure(case, SETUP, trace, FAILED).axes[0]
        return np.asarray(named(overview, "floor").get_array()) / 255

    stripes = [to_rgba(colour) for colour in style.STRIPES]
    known, unknown = colours(case_of()), colours(case_of(known=False))
    near = lambda found, colour: np.abs(found - to_rgba(colour)).max() < 0.01
    assert min(np.abs(known[40, 111] - colour).max() for colour in stripes) < 0.01
    assert near(unknown[40, 111], style.WALL)
    for found in (known, unknown):
        assert near(found[70, 105], style.WALL) and near(found[40, 40], style.FREE)


def test_the_goal_is_as_large_as_what_counts_as_arrived(drawn):
    _, _, figure = drawn
    ring = named(figure.axes[0], "goal").get_xy()
    np.testing.assert_allclose(np.hypot(*(ring - GOAL[:2]).T), 0.4, atol=1e-6)


def test_footprints_are_those_of_a_polygon():
    setup = crowd.setup("differential")
    figure = failed.failed_figure(case_of(), setup, trace_at(), {**FAILED, "at_fault": False})
    body = named(figure.axes[0], "poses").get_paths()[0].vertices
    corner = np.hypot(*np.array(setup.robot.footprint[0]))
    assert len(body) >= crowd.CORNERS
    centre = body[: crowd.CORNERS].mean(axis=0)
    np.testing.assert_allclose(np.hypot(*(body - centre).T), corner, atol=1e-3)


def test_a_polygon_touches_with_its_outline_not_with_the_referees_rectangle():
    setup = crowd.setup("differential")
    trace = trace_at(struck=(10,))  # which is what the rectangle's corner would count
    case = case_of()
    seen = happened(case, setup, trace, FAILED)
    assert [touch.who for touch in seen.touches] == [0]
    (touch,) = seen.touches
    gap = trace.ticks.people_xy[:, 0, 0] - trace.ticks.pose_map[:, 0] - RADIUS
    first = int(np.argmax(gap <= 0.3 / math.cos(math.pi / crowd.CORNERS)))
    assert touch.tick in (first, first + 1)
    assert happened(case, setup, trace, {**FAILED, "collision": False}).touches == ()


WORDS = {
    "at fault": ({}, {}, {}, "touched somebody at fault after 4.0 s"),
    "not at fault": (
        {"at_fault": False},
        {},
        {},
        "touched somebody, not at fault, after 4.0 s",
    ),
    "no fault asked for": ({"at_fault": None}, {}, {}, "touched somebody after 4.0 s"),
    "arrived": ({}, {"arrived_at": 5.0}, {}, "touched somebody at fault after 4.0 s; arrived"),
    "a disc": (
        {},
        {},
        {"kind": np.full(4, int(Kind.UNKNOWN))},
        "touched something that moves at fault after 4.0 s",
    ),
    "two": ({}, {"struck": (STRUCK, 280)}, {}, "after 4.0 s (touch 1 of 2)"),
    "a thing": (
        {},
        {"struck": (20,), "contacts": 1, "wall_contacts": 1},
        {},
        "touched something that stands at fault after 0.4 s",
    ),
    "a thing, then somebody": (
        {},
        {"struck": (20, STRUCK), "contacts": 2, "wall_contacts": 1},
        {},
        "touched something that stands at fault after 0.4 s (touch 1 of 2)",
    ),
    "somebody, then a thing": (
        {},
        {"struck": (STRUCK, 280), "contacts": 2, "wall_contacts": 1},
        {},
        "touched somebody at fault after 4.0 s (touch 1 of 2)",
    ),
    "out of time": (
        {"collision": False, "at_fault": False, "timeout": True},
        {"struck": ()},
        {},
        "out of time after 6.0 s, 1.6 m from the goal",
    ),
    "void": (
        {"collision": False, "void": True},
        {"struck": ()},
        {},
        "void, as somebody overlapped the robot when they appeared",
    ),
    "unsaid": ({"collision": False, "at_fault": False}, {"struck": ()}, {}, "no success after"),
}


@pytest.mark.parametrize("ends", WORDS)
def test_how_it_ended_is_told(ends):
    changed, given, scene, words = WORDS[ends]
    row = {key: value for key, value in {**FAILED, **changed}.items() if value is not None}
    case, trace = case_of(**scene), trace_at(**given)
    assert words in ending(case, trace, row, happened(case, SETUP, trace, row))


def test_at_fault_is_the_touch_at_which_it_moved():
    trace = trace_at(struck=(100, STRUCK))
    trace.ticks.twist[90:110] = 0.0
    seen = [happened(case_of(), SETUP, trace, {**FAILED, "at_fault": is_so}) for is_so in (1, 0)]
    assert [happened.now for happened in seen] == [STRUCK, 100]


def test_nothing_after_the_arrival_is_shown():
    trace = trace_at(arrived_at=3.0)
    figure = failed.failed_figure(case_of(), SETUP, trace, {**FAILED, "collision": False})
    assert named(figure.axes[0], "robot").get_array().max() <= 3.0
    assert len(named(figure.axes[0], "contacts").get_xydata()) == 0


def test_a_robot_that_stood_from_the_start_and_a_pose_that_is_no_number_are_drawn():
    still = trace_of(np.zeros((TICKS, 2)), np.full((TICKS, 4, 2), np.nan))
    lost = trace_at()
    lost.ticks.pose_map[250:] = np.nan
    out_of_time = {**NAMED, "success": False, "collision": False, "timeout": True}
    for trace in (still, lost):
        failed.failed_figure(case_of(), SETUP, trace, out_of_time).canvas.draw()


def test_long_drives_are_drawn_with_few_places():
    time = TICK * np.arange(5000)
    trace = trace_of(np.column_stack([0.02 * time, 0 * time]), np.full((5000, 4, 2), FAR))
    figure = failed.failed_figure(case_of(), SETUP, trace, {**FAILED, "collision": False})
    way = named(figure.axes[0], "robot").get_segments()
    assert SAMPLES / 2 < len(way) <= SAMPLES + 1
    np.testing.assert_allclose(way[-1][1], trace.ticks.pose_map[-1, :2])


@pytest.mark.parametrize("name", ["a", "S5_FW2020_with_segments-07-and-much-more-of-it" * 2])
def test_no_word_is_cut_off(name):
    row = {**FAILED, "case": name, "timeout": True}
    figure = failed.failed_figure(case_of(), SETUP, trace_at(struck=(STRUCK, 280)), row)
    figure.canvas.draw()
    page = figure.bbox
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [legend.get_window_extent() for legend in figure.legends]
    assert len(boxes) == 5 and name in figure.texts[0].get_text()
    for box in boxes:
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


def test_a_footprint_is_its_polygon_or_its_rectangle():
    np.testing.assert_allclose(
        shapes.footprint(DEFAULT_ROBOT),
        shapes.rectangle(DEFAULT_ROBOT.length, DEFAULT_ROBOT.width),
    )
    corners = ((0.2, 0.0), (-0.1, 0.1), (-0.1, -0.1))
    wedge = RobotConfig(footprint=corners)
    np.testing.assert_allclose(shapes.footprint(wedge), [*corners, corners[0]])
