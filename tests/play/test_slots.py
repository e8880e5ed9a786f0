"""What is handed over between threads is bounded, and the newest."""

from astro_jax.play.slots import Box, Slots


def test_box_refuses_instead_of_growing():
    box = Box(3)
    assert [box.put(k) for k in range(5)] == [True, True, True, False, False]
    assert box.take() == [0, 1, 2]
    assert box.put(7)


def test_slots_keep_the_newest_of_each_kind():
    slots = Slots()
    for kind, data in ((1, b"a"), (2, b"b"), (1, b"c")):
        slots.put(kind, data)
    seen, found = slots.newer(0)
    assert found == [b"b", b"c"]
    assert slots.newer(seen) == (seen, [])
