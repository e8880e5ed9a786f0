"""The picture of a whole drive shows what happened: read off its axes, not its pixels."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra viz")

from astro_jax.errors import InputError
from astro_jax.types import Reason
from astro_jax.viz import episode, style, ways
from astro_jax.viz.record import telling_cycle
from tests.viz.made_up import CYCLES, PLANNER, made_up


def named(figure, name):
    (found,) = [a for axes in figure.axes for a in axes.get_children() if a.get_gid() == name]
    return found


@pytest.fixture(scope="module")
def drawn():
    record = made_up()
    record.ticks.contacts[12:] = 1
    return record, episode.episode_figure(record)


def test_the_ways_are_where_everybody_was_and_when(drawn):
    record, figure = drawn
    way = named(figure, "robot")
    pieces = np.array(way.get_segments())
    np.testing.assert_allclose(pieces[:, 0], record.ticks.pose_map[:-1, :2])
    np.testing.assert_allclose(pieces[:, 1], record.ticks.pose_map[1:, :2])
    np.testing.assert_allclose(way.get_array(), record.ticks.time[:-1])
    other = named(figure, "person 0")
    np.testing.assert_allclose(np.array(other.get_segments())[:, 0], record.log.people_xy[:-1, 0])
    # the same colour is the same time
    assert other.get_clim() == way.get_clim() == (0.0, record.ticks.time[-1])
    assert other.get_cmap() == way.get_cmap() == style.TIME


def test_the_curves_are_the_logs(drawn):
    record, figure = drawn
    ticks = record.ticks
    speed, turning = (named(figure, name).get_xydata() for name in ("speed", "yaw rate"))
    np.testing.assert_allclose(speed, np.stack([ticks.time, ticks.twist[:, 0]], axis=1))
    np.testing.assert_allclose(turning[:, 1], ticks.twist[:, 1])
    np.testing.assert_allclose(named(figure, "gate").get_ydata(), 100 * ticks.scale)


def test_a_contact_is_marked_where_it_began(drawn):
    record, figure = drawn
    np.testing.assert_allclose(
        named(figure, "contacts").get_xydata(), [record.ticks.pose_map[12, :2]]
    )
    assert "1 contacts" in episode.summary(record, np.ones(3), np.ones(3))


def test_distances_are_those_of_rectangle_and_discs():
    record = made_up()
    record.log.pose_map[:] = [[1.0, 0.0, np.pi / 2]] * CYCLES
    half_length, half_width = record.robot.length / 2, record.robot.width / 2
    people, walls = episode.gaps(record)
    # the one at (1, 1) is straight ahead, the one at (2, −1) off the rear right corner
    ahead = 1.0 - half_length - 0.2
    aside = np.hypot(1.0 - half_width, 1.0 - half_length) - 0.2
    np.testing.assert_allclose(people, min(ahead, aside), atol=1e-5)
    # the hatched door begins half a cell before column 45, at −1 + 4.5 − .05
    assert (walls >= episode.FAR - 0.1).all()
    record.log.pose_map[:, 0] = 3.0
    _, walls = episode.gaps(record)
    np.testing.assert_allclose(walls, 0.45 - half_width, atol=1e-5)
    nobody = made_up(present=np.zeros(3, bool))
    assert np.isinf(episode.gaps(nobody)[0]).all()


def test_the_summary_counts_what_the_gate_did():
    record = made_up()
    record.ticks.reason[:5] = int(Reason.SLOWED)  # and one of the others, of 25
    text = episode.summary(record, np.array([0.5, 0.25]), np.array([np.inf]))
    assert "24.0 %" in text and "person 0.25 m" in text and "wall none" in text


@pytest.mark.parametrize(
    ("seconds", "least", "most"), [(1.0, 2, 15), (24.0, 6, 15), (290.0, 8, 16)]
)
def test_footprints_are_neither_few_nor_many(seconds, least, most):
    assert least <= seconds / ways.spacing_of(seconds) <= most


def test_a_time_finds_its_cycle():
    record = made_up()
    period = PLANNER.period
    assert [record.cycle_at(t) for t in (0.0, 0.5 * period, period, 4.9 * period)] == [0, 0, 1, 4]
    for wrong in (-0.1, 5.2 * period, np.nan):
        with pytest.raises(InputError, match="at is"):
            record.cycle_at(wrong)


def test_the_telling_moment_is_near_somebody_who_is_seen():
    record = made_up()
    record.ticks.twist[:, 0] = 0.5
    record.log.people_xy[:] = 9.0
    record.log.tracked[:] = True
    record.log.people_xy[3, 1] = np.add(record.log.pose_map[3, :2], [2.0, 0.0])
    assert telling_cycle(record) == 3
