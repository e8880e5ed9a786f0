"""Our bytes are those of other people's readers and writers of ROS 2, both ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from astro_jax.errors import MessageError
from astro_jax.wire.cdr import decoded, encoded
from astro_jax.wire.definitions import DEFINITIONS, PRIMITIVES, split_type

VISION = {
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "ObjectHypothesis hypothesis\n"
    "geometry_msgs/PoseWithCovariance pose",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "Detection3D": "std_msgs/Header header\nObjectHypothesisWithPose[] results\n"
    "BoundingBox3D bbox\nstring id",
    "Detection3DArray": "std_msgs/Header header\nDetection3D[] detections",
}
"""vision_msgs 4, which is no part of ROS itself."""


@pytest.fixture(scope="module")
def ros():
    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in VISION.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    return store


def full(name: str) -> str:
    return name.replace("/", "/msg/")


def numbers(code: str, count: int, random: np.random.Generator):
    if code in "fd":
        return random.normal(size=count).astype(f"<f{4 if code == 'f' else 8}")
    low, high = {"?": (0, 2), "B": (0, 256), "b": (-128, 128), "i": (-9, 9), "I": (0, 9)}[code]
    kind = {"?": "?", "B": "u1", "b": "i1", "i": "i4", "I": "u4"}[code]
    return random.integers(low, high, count).astype(kind)


def drawn(name: str, random: np.random.Generator):
    """Any message of a type."""

    def one(kind):
        if kind == "string":
            return "".join(random.choice(list("aä/_ 漢"), random.integers(0, 6)))
        return (
            numbers(PRIMITIVES[kind], 1, random)[0].item()
            if kind in PRIMITIVES
            else drawn(kind, random)
        )

    found = {}
    for field, kind in DEFINITIONS[name].items():
        element, count = split_type(kind)
        many = count or int(random.integers(0, 4))
        if count is None:
            found[field] = one(element)
        elif element in PRIMITIVES:
            found[field] = numbers(PRIMITIVES[element], many, random)
        else:
            found[field] = [one(element) for _ in range(many)]
    return found


def theirs(ros, name: str, message):
    """The same as an object of rosbags."""
    values = {}
    for field, kind in DEFINITIONS[name].items():
        element, count = split_type(kind)
        value = message[field]
        if "/" in element:
            many = [theirs(ros, element, one) for one in (value if count is not None else [value])]
            value = many if count is not None else many[0]
        values[field] = value
    return ros.types[full(name)](**values)


def as_arrays(name: str, message):
    """With points as rows, as ``decoded`` has them."""
    found = {}
    for field, kind in DEFINITIONS[name].items():
        element, count = split_type(kind)
        value = message[field]
        if "/" in element and count is None:
            value = as_arrays(element, value)
        elif "/" in element:
            inner = set(DEFINITIONS[element].values())
            if len(inner) == 1 and inner <= PRIMITIVES.keys():
                value = np.array([list(one.values()) for one in value]).reshape(
                    len(value), len(DEFINITIONS[element])
                )
            else:
                value = [as_arrays(element, one) for one in value]
        found[field] = value
    return found


def same(one, other) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_types_are_defined_as_rosbags_defines_them(name, ros):
    _, fields = ros.fielddefs[full(name)]
    assert [field for field, _ in fields] == list(DEFINITIONS[name])


@given(st.sampled_from(sorted(DEFINITIONS)), st.integers(0, 2**31))
def test_bytes_are_those_of_rosbags_and_so_is_their_meaning(ros, name, seed):
    message = drawn(name, np.random.default_rng(seed))
    rows = as_arrays(name, message)
    ours = encoded(name, rows)
    other = bytes(ros.serialize_cdr(theirs(ros, name, message), full(name)))
    assert ours == other[: len(ours)] and not other[len(ours) :].strip(b"\0")
    assert same(decoded(name, other), rows)
    again = ros.deserialize_cdr(ours, full(name))
    assert bytes(ros.serialize_cdr(again, full(name))) == other


@given(st.sampled_from(["sensor_msgs/LaserScan", "vision_msgs/Detection3DArray"]), st.data())
def test_whatever_bytes_come_it_is_a_message_or_an_error(name, data):
    message = drawn(name, np.random.default_rng(data.draw(st.integers(0, 99))))
    body = bytearray(encoded(name, as_arrays(name, message)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        found = decoded(name, bytes(body))
    except MessageError:
        return
    assert found.keys() == DEFINITIONS[name].keys()


def test_counts_are_believed_only_if_there_are_so_many():
    whole = bytearray(encoded("sensor_msgs/LaserScan", {"ranges": np.ones(3)}))
    at = whole.index(b"\3\0\0\0", 16)
    for count in (b"\4\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x40"):
        forged = bytes(whole[:at]) + count + bytes(whole[at + 4 :])
        with pytest.raises(MessageError, match="bytes"):
            decoded("sensor_msgs/LaserScan", forged)
    header = encoded("tf2_msgs/TFMessage", {})
    with pytest.raises(MessageError, match="at most 256"):
        decoded("tf2_msgs/TFMessage", header[:4] + b"\xff\xff\0\0" + bytes(10**6))


def test_what_is_no_such_message_is_not_sent():
    for wrong in ({"rangs": [1.0]}, {"ranges": "abc"}, {"angle_min": "x"}, {"header": 3}):
        with pytest.raises(MessageError, match="LaserScan"):
            encoded("sensor_msgs/LaserScan", wrong)
    with pytest.raises(MessageError):
        encoded("nav_msgs/Odometry", {"pose": {"covariance": np.zeros(35)}})
