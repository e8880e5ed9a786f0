"""Who is who: through other slots, losses, and other people."""

import numpy as np

from astro_jax.tasks.nouns import Person
from astro_jax.tasks.people import find, keep

from .moments import belief


def seen(time, *people):
    return belief(time=time, people=people)


def after(known, *moments):
    """Kept over these moments, expected straight on."""
    for moment in moments:
        since = min(moment.time - known.time, 1.5)
        known = keep(known, moment, known.xy + since * known.velocity)
    return known


def test_somebody_is_found_by_slot_name_or_place():
    moment = seen(0.0, (1, 2.0, 1.0, 0.0, 0.0, 7), (3, 2.2, 2.4, 0.0, 0.0))
    for person, slot in (
        (Person(slot=3), 3),
        (Person(identity=7), 1),
        (Person(near=(2.0, 2.0)), 3),
    ):
        known = find(person, moment)
        assert known is not None and known.slot == slot
    for person in (Person(slot=0), Person(identity=8), Person(near=(5.0, 0.5))):
        assert find(person, moment) is None


def test_places_are_of_the_house_whatever_the_robots_frame():
    moment = belief(
        people=[(0, 1.0, 0.0, 0.5, 0.0)], house_from_map=np.array([2.0, 1.0, np.pi / 2])
    )
    known = find(Person(slot=0), moment)
    assert known is not None
    np.testing.assert_allclose(known.xy, [2.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(known.velocity, [0.0, 0.5], atol=1e-6)


def test_whoever_takes_over_the_slot_is_somebody_else():
    known = find(Person(slot=0), seen(0.0, (0, 2.0, 1.0, 0.0, 0.0)))
    assert known is not None
    known = after(known, seen(0.2, (0, 4.5, 2.5, 0.0, 0.0)))
    assert known.slot == -1
    np.testing.assert_allclose(known.xy, [2.0, 1.0], atol=1e-6)


def test_after_a_loss_the_one_near_the_prediction_is_them_again():
    known = find(Person(slot=0), seen(0.0, (0, 2.0, 1.0, 0.5, 0.0)))
    assert known is not None
    known = after(known, seen(0.2), seen(0.4), seen(1.0))
    assert known.slot == -1
    known = after(known, seen(1.2, (2, 2.6, 1.1, 0.5, 0.0)))
    assert known.slot == 2


def test_who_was_there_besides_is_not_taken_for_them():
    """The other one stays in view while the person is gone, right where they would be."""
    both = [(0, 2.0, 1.0, 0.5, 0.0), (1, 2.6, 1.2, 0.0, 0.0)]
    known = find(Person(slot=0), seen(0.0, *both))
    assert known is not None
    known = after(known, *(seen(0.2 * k, both[1]) for k in range(1, 12)))
    assert known.slot == -1
    # nor after the tracker has lost and found that one
    known = after(known, seen(2.4), seen(2.6, (3, 2.6, 1.25, 0.0, 0.0)))
    assert known.slot == -1


def test_a_name_counts_more_than_a_place():
    known = find(Person(identity=5), seen(0.0, (0, 2.0, 1.0, 0.0, 0.0, 5)))
    assert known is not None
    crossed = seen(0.2, (0, 2.1, 1.0, 0.0, 0.0, 6), (1, 3.4, 2.0, 0.0, 0.0, 5))
    assert after(known, crossed).slot == 1
    # somebody with another name is not them, wherever they are
    named_otherwise = seen(1.0, (2, 2.0, 1.0, 0.0, 0.0, 6))
    assert after(known, seen(0.4), named_otherwise).slot == -1


def test_two_who_may_be_the_one_are_waited_for():
    known = find(Person(slot=0), seen(0.0, (0, 2.0, 1.0, 0.0, 0.0)))
    assert known is not None
    known = after(known, seen(0.2))
    two = [(2, 2.3, 1.0, 0.0, 0.0), (3, 1.7, 1.05, 0.0, 0.0)]
    assert after(known, seen(0.6, *two)).slot == -1
    clear = [(2, 2.05, 1.0, 0.0, 0.0), (3, 1.5, 1.3, 0.0, 0.0)]
    assert after(known, seen(0.6, *clear)).slot == 2
