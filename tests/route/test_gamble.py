"""Ways weighed by odds, against sums done by hand and a search of all policies."""

import functools
import itertools
import math

import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import solve_field
from astro_jax.route.gamble import STRANDED, best_gamble
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.passages import passages_of, sight_of, times_from, with_shut

RESOLUTION = 0.05
START, GOAL = (1.5, 1.5), (4.5, 1.5)


def home(*middles, width=0.9, height=9.0):
    """6 m wide, a wall at x = 3 m with doors at these heights."""
    shape = (round(height / RESOLUTION), 120)
    house = HouseMap(
        occupancy=np.zeros(shape, np.int8),
        resolution=RESOLUTION,
        origin=np.array([0.025, 0.025]),
        name="test",
    )
    x, y = np.moveaxis(house.xy_of(np.indices(shape)), -1, 0)
    through = np.zeros(shape, bool)
    for middle in middles:
        through |= np.abs(y - middle) < 0.5 * width
    house.occupancy[(np.abs(x - 3.0) < 0.08) & ~through] = 100
    house.occupancy[[0, -1]] = house.occupancy[:, [0, -1]] = 100
    doors = [
        Door(
            name=f"door {k}",
            jambs=np.array([[3.0, m - 0.5 * width], [3.0, m + 0.5 * width]]),
        )
        for k, m in enumerate(middles)
    ]
    return house, doors


@pytest.fixture(scope="module")
def two():
    """A near door and a far one."""
    return passages_of(*reordered(home(1.5, 7.5)))


@pytest.fixture(scope="module")
def three():
    """The same with doors that are only seen from right before them, and one in between."""
    return passages_of(*reordered(home(1.5, 5.0, 8.0)), sight=0.01)


def reordered(made):
    house, doors = made
    return house, DEFAULT_ROBOT, doors


def gamble(passages, chance, start=START, goal=GOAL):
    return best_gamble(
        passages,
        times_from(passages, start),
        times_from(passages, goal),
        start,
        np.asarray(chance, float),
    )


def true_time(passages, shut, start=START, goal=GOAL):
    """By a field with those doors shut."""
    doors = [passages.doors[k] for k in shut]
    field = solve_field(
        passages.house_map, with_shut(passages.house_map, doors), (*goal, 0.0), DEFAULT_ROBOT
    )
    row, column, _ = passages.house_map.cell_of(start)
    return float(field.cost_to_go.table[row, column, 0])


def test_known_doors_cost_what_a_field_says(two):
    for chance, shut in (((1.0, 1.0), ()), ((0.0, 1.0), (0,)), ((1.0, 0.0), (1,))):
        told = gamble(two, chance)
        assert told.first is None
        assert told.expected == pytest.approx(true_time(two, shut), rel=0.05)


def test_an_uncertain_door_costs_length_and_detour_by_its_odds(two):
    """(length + wasted approach)/v + (1 − p)·detour: the door is seen from the start."""
    near, far = true_time(two, ()), true_time(two, (0,))
    for p in (0.1, 0.3, 0.7, 0.9):
        told = gamble(two, (p, 1.0))
        # from the start the door is in sight: a look costs next to nothing
        assert told.expected == pytest.approx(p * near + (1.0 - p) * far, rel=0.05)
        assert told.first == "door 0" and told.shut == ()


def test_the_gamble_is_left_when_the_odds_are_bad():
    """The goal lies so that both ways are alike, and the door is out of sight."""
    passages = passages_of(*reordered(home(1.5, 7.5)), sight=0.8)
    start, goal = (1.0, 4.2), (5.0, 4.2)
    likely = gamble(passages, (0.9, 1.0), start, goal)
    assert likely.first == "door 0" and "door 0" not in likely.shut
    unlikely = gamble(passages, (0.1, 1.0), start, goal)
    assert unlikely.first is None and unlikely.shut == ("door 0",)
    assert unlikely.expected == pytest.approx(true_time(passages, (0,), start, goal), rel=0.05)
    # in between there is one price at which it turns, and the expected time never jumps
    times = [gamble(passages, (p, 1.0), start, goal) for p in np.linspace(0.04, 0.96, 24)]
    first = [t.first is not None for t in times]
    assert first == sorted(first)
    expected = np.array([t.expected for t in times])
    assert np.all(np.diff(expected) <= 1e-6) and np.abs(np.diff(expected)).max() < 1.0


def all_policies(passages, chance, start, goal):
    """The least expected time by trying everything, doors being seen at their fronts only."""
    from_start, from_goal = times_from(passages, start), times_from(passages, goal)
    cells = [passages.house_map.cell_of(xy)[:2] for xy in passages.fronts]
    ends = {"start": from_start, "goal": from_goal}
    direct = from_goal[passages.house_map.cell_of(start)[:2]]
    count = len(passages.doors)

    def leg(a, b):
        if a in ends and b in ends:
            return 0.0 if a == b else direct
        if a in ends or b in ends:
            end, front = (a, b) if a in ends else (b, a)
            return ends[end][cells[front]]
        return passages.between[a, b]

    @functools.cache
    def way(a, b, known):
        """Shortest way through open doors, by trying them in every order."""
        best = leg(a, b)
        opened = [k for k in range(count) if known[k] is True]
        for length in range(1, len(opened) + 1):
            for order in itertools.permutations(opened, length):
                for sides in itertools.product((0, 1), repeat=length):
                    at, total = a, 0.0
                    for k, side in zip(order, sides, strict=True):
                        total += leg(at, 2 * k + side) + passages.crossing[k]
                        at = 2 * k + 1 - side
                    best = min(best, total + leg(at, b))
        return best

    @functools.cache
    def value(at, known):
        best = min(way(at, "goal", known), STRANDED)
        for k in range(count):
            if known[k] is not None:
                continue
            for front in (2 * k, 2 * k + 1):
                reach = way(at, front, known)
                if math.isfinite(reach):
                    found = [value(front, (*known[:k], o, *known[k + 1 :])) for o in (True, False)]
                    best = min(best, reach + chance[k] * found[0] + (1 - chance[k]) * found[1])
        return best

    return value("start", (None,) * count)


@pytest.mark.parametrize("seed", range(12))
def test_no_policy_is_better(three, seed):
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.05, 0.95, 3)
    start, goal = (1.0, float(rng.uniform(1.0, 8.0))), (5.0, float(rng.uniform(1.0, 8.0)))
    told = gamble(three, chance, start, goal)
    best = all_policies(three, tuple(chance.tolist()), start, goal)
    # each look that is not worth a tenth of a second is left out
    assert best - 1e-6 <= told.expected <= best + 0.35


def test_the_field_of_the_choice_leads_through_the_hoped_for_doors(three):
    told = gamble(three, (0.8, 0.8, 0.2), (1.0, 1.5), (5.0, 1.5))
    assert told.first == "door 0" and "door 0" not in told.shut
    shut = [three.number(name) for name in told.shut]
    assert math.isfinite(true_time(three, shut, (1.0, 1.5), (5.0, 1.5)))


def test_the_same_question_has_the_same_answer(three):
    assert gamble(three, (0.4, 0.5, 0.6)) == gamble(three, (0.4, 0.5, 0.6))


def test_a_last_closed_door_may_be_open_after_all(two):
    told = gamble(two, (0.01, 0.0))
    assert told.first == "door 0" and told.shut == ("door 1",)


def test_no_way_is_a_typed_error(two):
    with pytest.raises(UnreachableError) as caught:
        gamble(two, (0.0, 0.0))
    assert caught.value.field == "goal" and caught.value.where == "test"
    for place in ((math.nan, 1.0), (50.0, 50.0)):
        with pytest.raises(UnreachableError):
            gamble(two, (1.0, 1.0), start=place)


@pytest.mark.parametrize("bad", [(math.nan, 0.5), (0.5,), (-0.1, 0.5), (0.5, 1.1)])
def test_impossible_odds_are_refused(two, bad):
    with pytest.raises(InputError, match="chance"):
        gamble(two, bad)


def test_in_a_doorway_both_sides_are_near(two):
    for chance in ((0.5, 0.5), (0.0, 0.5)):
        told = gamble(two, chance, start=(3.0, 1.5))
        assert told.expected < true_time(two, ()) and told.first is None


def test_a_door_that_is_too_narrow_is_no_way():
    house, doors = home(1.5, 7.5)
    narrow = HouseMap(
        occupancy=house.occupancy.copy(), resolution=RESOLUTION, origin=house.origin, name="test"
    )
    rows = np.indices(narrow.occupancy.shape)[0] * RESOLUTION
    wall = narrow.occupancy[:, 59:61]
    wall[(np.abs(rows[:, 59:61] - 1.5) > 0.12) & (rows[:, 59:61] < 3.0)] = 100
    passages = passages_of(narrow, DEFAULT_ROBOT, doors)
    assert math.isinf(passages.crossing[0]) and math.isfinite(passages.crossing[1])
    told = gamble(passages, (0.99, 0.5))
    assert told.first == "door 1"


def test_doors_need_names_of_their_own():
    house, doors = home(1.5, 7.5)
    with pytest.raises(InputError, match="names that differ"):
        passages_of(house, DEFAULT_ROBOT, [doors[0], doors[0]])


def test_no_door_is_seen_through_walls_from_afar_or_along_the_wall(two):
    house, door = two.house_map, two.doors[0]
    seen = sight_of(house, house.blocked, door)
    at = lambda x, y: bool(seen[house.cell_of((x, y))[:2]])
    assert at(1.5, 1.5) and at(1.0, 2.5) and at(4.5, 1.5)
    assert not at(1.5, 6.0) and not at(2.9, 4.0)
    # a screen in between
    house_with = house.blocked.copy()
    house_with[house.cell_of((2.2, 1.5))[0] - 6 : house.cell_of((2.2, 1.5))[0] + 6, 44] = True
    behind = sight_of(house, house_with, door)
    assert not behind[house.cell_of((1.0, 1.5))[:2]] and behind[house.cell_of((2.6, 1.5))[:2]]
