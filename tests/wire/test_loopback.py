"""On the loopback wire who does not read loses messages, and nobody waits."""

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.wire.loopback import Loopback
from astro_jax.wire.topics import COMMAND, MAP, SCAN


@pytest.fixture
def join(tmp_path):
    places = []

    def joined(*topics):
        places.append(Loopback(tmp_path, topics))
        return places[-1]

    yield joined
    for place in places:
        place.close()


def twist(v):
    return {"linear": {"x": float(v)}}


def test_all_that_listen_hear_it_and_the_newest_counts(join):
    ears, mouth = [join(COMMAND, SCAN) for _ in range(2)], join()
    for k in range(3):
        mouth.publish(COMMAND, twist(k))
        mouth.publish(SCAN, {"ranges": np.full(4, k)})
    for ear in ears:
        found = ear.take()
        assert [m["linear"]["x"] for topic, m in found if topic is COMMAND] == [2.0]
        assert [m["ranges"][0] for topic, m in found if topic is SCAN] == [0.0, 1.0, 2.0]
        assert ear.counts["overtaken"] == 2 and ear.take() == []


def test_a_listener_that_does_not_read_costs_the_others_nothing(join):
    deaf, ear, mouth = (join(COMMAND) for _ in range(3))
    for k in range(3000):
        mouth.publish(COMMAND, twist(k))
        if k % 5 == 4:
            (_, message), *_ = ear.take()
            assert message["linear"]["x"] == k
    assert mouth.counts["unsent"] > 1000
    assert len(deaf.take()) == 1 and deaf.counts["received"] < 1000


def test_a_listener_that_has_died_is_forgotten(join, tmp_path):
    dead, mouth = join(COMMAND), join()
    dead._boxes.pop(COMMAND).close()  # as the kernel does it; the name stays
    for _ in range(3):
        mouth.publish(COMMAND, twist(1))
    assert mouth.counts["unsent"] == 1
    assert not list(tmp_path.rglob("*.sock"))


def test_a_latched_message_waits_for_whoever_comes_late(join):
    mouth = join()
    for size in (3, 230_400):
        mouth.publish(MAP, {"data": np.zeros(size)})
    late = join(MAP)
    ((_, message),) = late.take()
    assert message["data"].shape == (230_400,) and late.take() == []
    mouth.publish(MAP, {"data": np.zeros(5)})
    assert [m["data"].shape for _, m in late.take()] == [(5,)]


def test_a_folder_whose_name_is_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(InputError, match="wire"):
        Loopback(tmp_path / ("x" * 120), (COMMAND,))
