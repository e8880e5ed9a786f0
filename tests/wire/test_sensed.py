"""A message that went over the wire is the one that was sent, by another clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import RobotConfig
from astro_jax.errors import MessageError
from astro_jax.process.ears import frames_of
from astro_jax.types import Kind
from astro_jax.wire.cdr import decoded, encoded
from astro_jax.wire.sensed import sensed
from astro_jax.wire.told import measured
from astro_jax.wire.topics import SCAN
from astro_jax.world.inbox import SECOND, empty_inbox, receive, snapshot
from astro_jax.world.messages import (
    DetectionsMessage,
    LocalisationMessage,
    OdometryMessage,
    ScanMessage,
)

ROBOT = RobotConfig()
FRAMES = frames_of(ROBOT)


def turned(yaw):
    return 0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)


def messages(random, stamp):
    """What a robot's sensors say at a moment; two people."""
    beams, half = ROBOT.sensor.beams, ROBOT.sensor.field_of_view / 2
    x, y, yaw = random.uniform(-3, 3, 3)
    cov = np.zeros((6, 6))
    cov[0, 0] = cov[1, 1] = cov[5, 5] = 1e-3
    spread = random.normal(size=(2, 2, 2))
    return [
        OdometryMessage(
            stamp=stamp,
            frame="odom",
            child_frame="base_link",
            position=(x, y, 0.0),
            orientation=turned(yaw),
            linear=(0.3, 0.0, 0.0),
            angular=(0.0, 0.0, -0.2),
            covariance=cov,
        ),
        ScanMessage(
            stamp=stamp,
            frame="laser",
            angle_min=-half,
            angle_max=half,
            angle_increment=2 * half / (beams - 1),
            range_min=0.05,
            range_max=ROBOT.sensor.range_max,
            ranges=random.choice([np.inf, np.nan, 1.5, 2.25], beams),
        ),
        DetectionsMessage(
            stamp=stamp,
            frame="odom",
            positions=random.uniform(-3, 3, (2, 2)),
            covariances=spread @ np.swapaxes(spread, 1, 2) + 0.01 * np.eye(2),
            kinds=[int(Kind.PET), int(Kind.PERSON)],
            identities=[7, -1],
            radii=[0.1, 0.25],
        ),
        LocalisationMessage(
            stamp=stamp,
            frame="map",
            child_frame="odom",
            translation=(0.5, -0.25, 0.0),
            rotation=turned(0.3),
        ),
    ]


@given(st.integers(0, 10**6), st.integers(-(10**17), 10**17))
def test_over_the_wire_nothing_is_lost(seed, offset):
    random, stamp = np.random.default_rng(seed), 3 * 10**17 + seed
    inbox = other = empty_inbox(ROBOT, FRAMES)
    for message in messages(random, stamp):
        inbox = receive(inbox, message, stamp + SECOND // 50)
        topic, values = measured(message, offset)
        carried = decoded(topic.type, encoded(topic.type, values))
        (back,) = sensed(topic, carried, FRAMES, offset)
        assert back.stamp == message.stamp
        other = receive(other, back, stamp + SECOND // 50)
    one, two = (snapshot(box, stamp + SECOND // 20) for box in (inbox, other))
    for noun in ("scan", "odometry", "detections"):
        for name, value in vars(getattr(one, noun)).items():
            if value is not None:
                found = getattr(getattr(two, noun), name)
                np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(two.house_from_map, one.house_from_map, atol=1e-6)


def test_transforms_between_other_frames_say_nothing_and_times_before_all_time_are_refused():
    random = np.random.default_rng(0)
    *_, place = messages(random, SECOND)
    topic, values = measured(place, 0)
    values["transforms"].append({**values["transforms"][0], "child_frame_id": "camera"})
    carried = decoded(topic.type, encoded(topic.type, values))
    assert len(sensed(topic, carried, FRAMES, 0)) == 1
    scan = decoded(SCAN.type, encoded(SCAN.type, {}))
    with pytest.raises(MessageError, match="stamp"):
        sensed(SCAN, scan, FRAMES, -1)


def test_a_class_that_nobody_knows_is_unknown_and_a_body_without_a_hypothesis_too():
    from astro_jax.wire.topics import DETECTIONS

    results = [{"hypothesis": {"class_id": "sofa", "score": 0.5}}]
    both = [{"results": results, "id": "x7"}, {"id": "99999999999999"}]
    carried = decoded(
        DETECTIONS.type,
        encoded(DETECTIONS.type, {"header": {"frame_id": "odom"}, "detections": both}),
    )
    (message,) = sensed(DETECTIONS, carried, FRAMES, 0)
    assert isinstance(message, DetectionsMessage)
    assert list(message.kinds) == [Kind.UNKNOWN] * 2
    inbox = receive(empty_inbox(ROBOT, FRAMES), message, 1)
    assert inbox.detections is not None
    assert inbox.detections.identity.tolist() == [-1, -1]
