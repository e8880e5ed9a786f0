"""Messages as robots send them, and the snapshots that come of them.  Numbers: design faults."""

import ast
import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.config import DEFAULT_PLANNER, Latency, RobotConfig, SensorConfig
from astro_jax.errors import ClockError, InputError, MessageError
from astro_jax.types import Grid, Kind, LocalMap
from astro_jax.world import content, inbox, messages
from astro_jax.world.health import examine, unknown_health
from astro_jax.world.inbox import SECOND, empty_inbox, forget, nearby, pose_at, receive, snapshot
from astro_jax.world.messages import (
    DetectionsMessage,
    Frames,
    LocalisationMessage,
    Mount,
    OdometryMessage,
    ScanMessage,
)

BEAMS = 31
ROBOT = RobotConfig(sensor=SensorConfig(beams=BEAMS, field_of_view=3.0))
FRAMES = Frames(
    mounts=(Mount(frame="laser", x=0.10), Mount(frame="camera", x=0.15, y=0.02, yaw=0.3))
)
LATENCY = jax.tree.map(jnp.float32, Latency())
MONTH = 30 * 24 * 3600 * SECOND
MS = SECOND // 1000
T0 = 5 * SECOND
EMPTY = empty_inbox(ROBOT, FRAMES, capacity=4)
NEW = unknown_health(DEFAULT_PLANNER, BEAMS, jnp.array([1.0, 2.0, 0.5]))


@pytest.fixture(scope="module")
def check():
    nowhere = Grid(values=jnp.full((4, 4), -2.0), origin=jnp.zeros(2), resolution=jnp.float32(0.1))
    free = LocalMap(grid=nowhere, evidence=nowhere.values, edge=jnp.zeros((4, 4), bool))
    return jax.jit(lambda last, seen: examine(ROBOT, DEFAULT_PLANNER, LATENCY, last, free, seen))


def turned(yaw):
    return (0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2))


def scan(stamp=T0, **changes):
    base = ScanMessage(
        stamp=stamp,
        frame="laser",
        angle_min=-1.5,
        angle_max=1.5,
        angle_increment=0.1,
        range_min=0.05,
        range_max=6.0,
        ranges=np.linspace(1.0, 3.0, BEAMS) + 1e-9 * (stamp % 1000),
    )
    return dataclasses.replace(base, **changes)


def odometry(stamp=T0, x=1.0, y=2.0, yaw=0.5, v=0.4, omega=0.2, **changes):
    base = OdometryMessage(
        stamp=stamp,
        frame="odom",
        child_frame="base_link",
        position=(x, y, 0.0),
        orientation=turned(yaw),
        linear=(v, 0.0, 0.0),
        angular=(0.0, 0.0, omega),
        covariance=np.diag([1e-4, 2e-4, 9.0, 9.0, 9.0, 3e-4]),
    )
    return dataclasses.replace(base, **changes)


def detections(stamp=T0, positions=((2.0, 0.0), (3.0, 1.0)), **changes):
    count = len(positions)
    base = DetectionsMessage(
        stamp=stamp,
        frame="base_link",
        positions=positions,
        covariances=np.tile(np.diag([0.04, 0.01]), (count, 1, 1)),
        kinds=[int(Kind.CHILD)] * count,
    )
    return dataclasses.replace(base, **changes)


def localisation(stamp=T0, **changes):
    base = LocalisationMessage(
        stamp=stamp,
        frame="map",
        child_frame="odom",
        translation=(4.0, -1.0, 0.0),
        rotation=turned(-0.7),
    )
    return dataclasses.replace(base, **changes)


ALL = (scan, odometry, detections, localisation)


def filled(stamp=T0, now=None):
    box = EMPTY
    for message in ALL:
        box = receive(box, message(stamp), stamp if now is None else now)
    return box


def same_bits(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


# ---- what arrives --------------------------------------------------------------------


def test_a_snapshot_says_what_the_messages_said():
    seen = snapshot(filled(), T0 + 200 * MS)
    assert float(seen.scan.age) == pytest.approx(0.2)
    np.testing.assert_allclose(seen.scan.ranges, np.linspace(1.0, 3.0, BEAMS), rtol=1e-6)
    eye = (1.0 + 0.1 * np.cos(0.5), 2.0 + 0.1 * np.sin(0.5), 0.5)
    np.testing.assert_allclose(seen.scan.pose_map, eye, rtol=1e-6)
    np.testing.assert_allclose(seen.odometry.pose_map, (1.0, 2.0, 0.5), rtol=1e-6)
    np.testing.assert_allclose(seen.odometry.twist, (0.4, 0.2), rtol=1e-6)
    assert seen.odometry.cov is not None
    np.testing.assert_allclose(seen.odometry.cov, np.diag([1e-4, 2e-4, 3e-4]), rtol=1e-6)
    np.testing.assert_allclose(seen.house_from_map, (4.0, -1.0, -0.7), rtol=1e-6)
    c, s = np.cos(0.5), np.sin(0.5)
    turn = np.array([[c, -s], [s, c]])
    np.testing.assert_allclose(seen.detections.xy_map[0], [1.0 + 2 * c, 2.0 + 2 * s], rtol=1e-6)
    np.testing.assert_allclose(
        seen.detections.xy_cov[0], turn @ np.diag([0.04, 0.01]) @ turn.T, rtol=1e-5
    )
    np.testing.assert_array_equal(seen.detections.seen, [True, True, False, False])
    np.testing.assert_array_equal(seen.detections.identity, -1)
    assert int(seen.detections.kind[0]) == Kind.CHILD


def test_frames_of_sensors_lie_where_their_mounts_say():
    """The same person seen in three frames; a scanner that is mounted askew."""
    person = np.array([2.0, 0.4])
    c, s = np.cos(-0.3), np.sin(-0.3)
    in_camera = np.array([[c, -s], [s, c]]) @ (person - [0.15, 0.02])
    c, s = np.cos(0.5), np.sin(0.5)
    in_map = [1.0, 2.0] + np.array([[c, -s], [s, c]]) @ person
    box = receive(EMPTY, odometry(), T0)
    for frame, place in (("base_link", person), ("camera", in_camera), ("odom", in_map)):
        box_with = receive(box, detections(positions=[place], frame=frame), T0)
        np.testing.assert_allclose(snapshot(box_with, T0).detections.xy_map[0], in_map, rtol=1e-6)
    askew = Frames(mounts=(Mount(frame="laser", x=0.10, yaw=0.2),))
    bearings = np.linspace(-1.5, 1.5, BEAMS)
    ranges = 2.0 + bearings
    box = receive(empty_inbox(ROBOT, askew), odometry(), T0)
    message = scan(angle_min=-1.7, angle_max=1.3, ranges=ranges)
    seen, _ = nearby(receive(box, message, T0), T0)
    np.testing.assert_allclose(seen.ranges, ranges, rtol=1e-5)


def test_a_scan_is_placed_where_the_base_was_when_it_was_taken():
    """Odometry at 20 Hz around a circle: at the stamp of the scan, not at the last pose."""
    truth = lambda t: (np.sin(t), 1.0 - np.cos(t), t)
    box = EMPTY
    for k in range(21):
        stamp = T0 + k * 50 * MS
        x, y, yaw = truth(0.05 * k)
        box = receive(box, odometry(stamp, x, y, yaw, v=1.0, omega=1.0), stamp)
    for after in (0.0, 0.333, 0.5, 0.875, 1.0, 1.02):
        pose = pose_at(box, T0 + round(after * SECOND))
        np.testing.assert_allclose(pose, truth(after), atol=4e-4)
    # farther from every pose than that none is made up
    for after in (-0.01, 1.3, 1e6):
        assert np.all(np.isnan(pose_at(box, T0 + round(after * SECOND))))
    assert len(box.odometry) <= 2 * 20 + 1


def test_37_of_a_thousand_detections_the_nearest_are_kept():
    random = np.random.default_rng(0)
    places = random.uniform(-8, 8, (1000, 2))
    places[13] = np.nan
    box = receive(
        receive(EMPTY, odometry(x=0.0, y=0.0, yaw=0.0), T0), detections(positions=places), T0
    )
    kept = np.asarray(snapshot(box, T0).detections.xy_map)
    order = np.argsort(np.linalg.norm(places, axis=1))[:4]
    np.testing.assert_allclose(kept, places[order], rtol=1e-6)


def two_eyes():
    frames = dataclasses.replace(FRAMES, more_scans=("camera",))
    return empty_inbox(ROBOT, frames, capacity=4)


def test_what_a_second_sensor_meets_ends_the_beams_of_the_first():
    """A low table edge that only the camera sees, .1 s before; the robot drives meanwhile."""
    first, second = T0, T0 + 100 * MS
    box = receive(two_eyes(), odometry(first, x=0.0, y=0.0, yaw=0.0, v=0.5, omega=0.0), first)
    edge = np.array([1.4, 0.3])  # in the map
    seen = content.seen_from(np.array([0.15, 0.02, 0.3]), edge[None])[0]
    bearing, reach = np.arctan2(seen[1], seen[0]), np.hypot(*seen)
    camera = scan(
        first,
        frame="camera",
        angle_min=bearing,
        angle_max=bearing + 0.1,
        ranges=[reach, np.inf],
    )
    box = receive(box, camera, first)
    box = receive(box, odometry(second, x=0.05, y=0.0, yaw=0.0, v=0.5, omega=0.0), second)
    box = receive(box, scan(second, ranges=np.full(BEAMS, 3.0)), second)
    together, _ = nearby(box, second + 20 * MS)
    from_eye = edge - [0.15, 0.0]
    beam = round((np.arctan2(*from_eye[::-1]) + 1.5) / 0.1)
    assert together.free is not None
    for values in (together.ranges, together.free):
        assert float(values[beam]) == pytest.approx(np.hypot(*from_eye), rel=1e-5)
        assert np.all(np.delete(np.asarray(values), beam) == 3.0)
    # as old as the older of both
    assert float(together.age) == pytest.approx(0.12)


def test_with_one_eye_shut_it_stands():
    box = two_eyes()
    for message in ALL:
        box = receive(box, message(), T0)
    assert np.isinf(float(nearby(box, T0)[0].age))
    box = receive(box, scan(frame="camera"), T0)
    assert float(nearby(box, T0)[0].age) == 0.0
    again = receive(box, scan(frame="camera"), T0)
    assert again.dropped.scan == 1
    # and grows old with the one that is silent
    box = receive(receive(box, odometry(T0 + SECOND), T0 + SECOND), scan(T0 + SECOND), T0 + SECOND)
    assert float(nearby(box, T0 + SECOND)[0].age) == pytest.approx(1.0)
    with pytest.raises(InputError, match="more_scans"):
        empty_inbox(ROBOT, Frames(more_scans=("camera",)))


# ---- time ----------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    offset=st.integers(0, 300 * 24 * 3600 * SECOND),
    stamps=st.lists(st.integers(0, 400 * MS), min_size=2, max_size=6, unique=True),
    later=st.integers(0, 300 * MS),
)
def test_17_a_month_of_uptime_changes_no_bit(offset, stamps, later):
    def drive(start):
        box = EMPTY
        for k, stamp in enumerate(sorted(stamps)):
            for message in (odometry(stamp, x=0.1 * k), scan(stamp), detections(stamp)):
                shifted = dataclasses.replace(message, stamp=start + stamp)
                box = receive(box, shifted, start + stamp)
        return snapshot(box, start + max(stamps) + later)

    assert same_bits(drive(0), drive(offset))
    assert same_bits(drive(0), drive(MONTH))


@given(st.sampled_from(ALL), st.integers(51 * MS, 10**6 * SECOND))
def test_13_a_message_from_the_future_is_refused(message, ahead):
    box = filled()
    with pytest.raises(MessageError, match="stamp"):
        receive(box, message(T0 + ahead), T0)
    # clocks may disagree a little
    assert receive(box, message(T0 + 50 * MS), T0).dropped == box.dropped


@given(st.sampled_from(ALL), st.integers(SECOND + 1, T0))
def test_12_a_clock_that_jumps_back_is_told_and_everything_forgotten(message, back):
    box = filled()
    with pytest.raises(ClockError, match="stamp"):
        receive(box, message(T0 - back), T0)
    with pytest.raises(ClockError, match="now"):
        receive(box, message(T0), T0 - back)
    new = forget(box)
    assert np.isinf(float(snapshot(new, T0 - back).scan.age))
    assert receive(new, message(T0 - back), T0 - back).dropped == box.dropped


def test_12_after_the_jump_the_robot_stands_until_every_source_has_reported(check):
    health, _ = check(NEW, snapshot(filled(), T0 + 100 * MS))
    assert bool(health.fit)
    box, now = forget(filled()), SECOND
    for message in (odometry, scan, localisation):
        health, _ = check(health, snapshot(box, now))
        assert not bool(health.fit)
        box = receive(box, message(now), now)
    health, _ = check(health, snapshot(box, now))
    assert bool(health.fit)
    assert float(health.pace[1]) < 1.0  # nobody has said yet where people are


@settings(max_examples=60)
@given(st.sampled_from(ALL), st.lists(st.integers(0, 900), min_size=1, max_size=12))
def test_14_what_comes_twice_or_late_is_dropped_and_counted(message, order):
    box, clean, newest = EMPTY, EMPTY, -1
    for k in order:
        stamp = T0 + k * MS
        box = receive(box, message(stamp), T0 + SECOND)
        if k > newest:
            clean, newest = receive(clean, message(stamp), T0 + SECOND), k
    assert same_bits(snapshot(box, T0 + SECOND), snapshot(clean, T0 + SECOND))
    taken = len([k for i, k in enumerate(order) if k > max(order[:i], default=-1)])
    assert sum(dataclasses.astuple(box.dropped)) == len(order) - taken
    assert sum(dataclasses.astuple(clean.dropped)) == 0


def test_15_nothing_here_reads_a_clock():
    for module in (inbox, content, messages):
        tree = ast.parse(Path(str(module.__file__)).read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not names & {"time", "datetime"}


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=4), st.integers(0, 2**62))
def test_16_no_interval_between_messages_is_divided_by(stamps, asked):
    """None, a nanosecond, a century: a pose or none, and an age that is a number."""
    box = EMPTY
    for stamp in sorted(stamps):
        for twin in (stamp, stamp + 1):
            box = receive(box, odometry(twin), twin)
    pose = pose_at(box, asked)
    assert np.all(np.isfinite(pose)) or np.all(np.isnan(pose))
    assert np.isfinite(float(snapshot(box, asked).odometry.age))


# ---- content -------------------------------------------------------------------------


@given(st.sampled_from(ALL), st.text(max_size=12))
def test_7_an_unknown_frame_is_refused_and_its_source_ages(message, frame):
    if frame in ("laser", "camera", "base_link", "odom", "map"):
        return
    box = filled()
    with pytest.raises(MessageError, match="frame"):
        receive(box, message(T0 + MS, frame=frame), T0 + MS)
    # it stays as it was: what it holds grows old
    assert box.now == T0 and box.dropped == EMPTY.dropped


def test_7_a_scanner_that_is_not_where_the_robot_has_it_is_refused():
    with pytest.raises(MessageError, match="frame"):
        receive(EMPTY, scan(frame="camera"), T0)
    with pytest.raises(InputError, match="frames"):
        empty_inbox(ROBOT, Frames(mounts=(Mount(frame="laser"), Mount(frame="laser", x=0.1))))


@given(st.integers(0, 200))
def test_8_a_scan_has_as_many_ranges_as_it_says(count):
    if count == BEAMS:
        return
    with pytest.raises(MessageError, match="ranges"):
        receive(EMPTY, scan(ranges=np.ones(count)), T0)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (scan(angle_increment=0.0), "angle_increment"),
        (scan(angle_increment=-0.1), "angle_increment"),
        (scan(angle_increment=np.nan), "angle_increment"),
        (scan(angle_max=1e9), "angle_max"),
        (scan(range_min=7.0), "range_max"),
        (scan(range_max=np.inf), "range_max"),
        (scan(ranges="far"), "ranges"),
        (detections(covariances=np.ones((3, 2, 2))), "covariances"),
        (detections(kinds=[0]), "kinds"),
        (detections(identities=[0, 1, 2]), "identities"),
        (detections(positions=((1.0, 2.0, 3.0),)), "positions"),
        (odometry(covariance=np.zeros(35)), "covariance"),
        (odometry(child_frame="arm"), "child_frame"),
        (localisation(translation=(np.nan, 0.0, 0.0)), "translation"),
        (
            scan(stamp=0.5),  # type: ignore[arg-type]
            "stamp",
        ),
        (scan(stamp=-1), "stamp"),
        (scan(stamp=True), "stamp"),
    ],
)
def test_8_what_contradicts_itself_is_refused_with_its_name(message, field):
    with pytest.raises(MessageError) as caught:
        receive(EMPTY, message, T0)
    assert caught.value.field.endswith(field)


@given(st.tuples(*[st.floats(-2.0, 2.0) | st.sampled_from([np.nan, np.inf, 1e200])] * 4))
def test_23_a_quaternion_that_is_no_rotation_is_refused(q):
    length = math.hypot(*q)
    for message in (odometry(orientation=q), localisation(rotation=q)):
        if not abs(length - 1.0) <= 0.01:
            with pytest.raises(MessageError, match="length 1"):
                receive(EMPTY, message, T0)


@given(st.floats(-3.1, 3.1), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0.995, 1.005))
def test_23_the_heading_is_that_of_the_rotation(yaw, pitch, roll, length):
    """Against the product of the three rotations: where the base's x axis points."""
    half = np.array([[np.cos(a / 2), np.sin(a / 2)] for a in (roll, pitch, yaw)])
    (cr, sr), (cp, sp), (cy, sy) = half
    q = [
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    ]
    got = content.heading(length * np.array(q), "orientation", "test")
    assert got == pytest.approx(yaw, abs=1e-9)


def test_a_base_that_has_fallen_over_is_refused():
    with pytest.raises(MessageError, match="upright"):
        receive(EMPTY, odometry(orientation=(np.sin(0.6), 0.0, 0.0, np.cos(0.6))), T0)


@given(st.integers(0, 3), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_19_a_pose_or_twist_that_is_no_number_stops_the_robot(check, which, value):
    values = {"x": 1.0, "y": 2.0, "v": 0.1, "omega": 0.2}
    name = [*values][which]
    box = receive(filled(), odometry(T0 + MS, **{name: value}), T0 + MS)
    health, _ = check(NEW, snapshot(box, T0 + 100 * MS))
    assert not bool(health.fit)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.lists(st.floats(), max_size=40),
    st.lists(st.lists(st.floats(), max_size=3), max_size=3),
    st.just(object()),
)


@settings(max_examples=200)
@given(st.data())
def test_8_whatever_a_message_holds_it_is_taken_or_refused(data):
    box = filled()
    message = data.draw(st.sampled_from(ALL))(T0 + MS)
    field = data.draw(st.sampled_from([field.name for field in dataclasses.fields(message)]))
    message = dataclasses.replace(message, **{field: data.draw(JUNK)})
    try:
        taken = receive(box, message, T0 + MS)
    except MessageError as error:
        assert str(error)
        return
    seen = snapshot(taken, T0 + 100 * MS)
    before = snapshot(box, T0 + 100 * MS)
    jax.tree.map(
        lambda a, b: (a.shape == b.shape and a.dtype == b.dtype) or pytest.fail(), seen, before
    )


def test_anything_else_is_no_message():
    for thing in (None, "scan", {"stamp": 1}, snapshot(EMPTY, T0)):
        with pytest.raises(MessageError, match="message"):
            receive(EMPTY, thing, T0)  # type: ignore[arg-type]
