"""The reader of MovingAI's files: what it reads, and what it refuses by file and line."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astro_jax.errors import InputError
from astro_jax.suites.movingai import load_grid, load_suite, load_suites

MAP = "type octile\nheight 3\nwidth 4\nmap\n..@.\nGSTW\n...O\n"
SCENARIOS = "version 1\n0\tm.map\t4\t3\t0\t0\t1\t2\t2.41421\n3 m.map 4 3 3 0 3 0 0\n"


def written(tmp_path, grid=MAP, scenarios=SCENARIOS):
    (tmp_path / "m.map").write_text(grid)
    path = tmp_path / "m.map.scen"
    path.write_text(scenarios)
    return path


def test_what_is_written_is_read(tmp_path):
    suite = load_suite(written(tmp_path))
    assert suite.name == "m"
    np.testing.assert_array_equal(
        suite.open_cells,
        [[True, True, False, True], [True, True, False, False], [True] * 3 + [False]],
    )
    np.testing.assert_array_equal(suite.starts, [[0, 0], [0, 3]])  # x is the column
    np.testing.assert_array_equal(suite.goals, [[2, 1], [0, 3]])
    np.testing.assert_allclose(suite.costs, [2.41421, 0.0])
    np.testing.assert_allclose(suite.tolerance, 0.001)
    (again,) = load_suites(tmp_path)
    assert again.name == "m"


def test_the_tolerance_is_what_the_digits_say(tmp_path):
    line = "0 m.map 4 3 0 0 1 2 {}\n"
    for costs, expected in (
        (("386.52", "6.83", "7"), [0.005] * 3),  # two digits behind the point
        (("1234.57", "2.41421"), [0.005, 0.001]),  # six altogether
        (("1234.56789012", "2.41421356"), [0.001] * 2),
    ):
        text = "version 1.0\n" + "".join(line.format(cost) for cost in costs)
        suite = load_suite(written(tmp_path, scenarios=text))
        np.testing.assert_allclose(suite.tolerance, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("field", "grid", "where"),
    [
        ("type", MAP.replace("octile", "tile"), ":1"),
        ("height", MAP.replace("height 3", "height x"), ":2"),
        ("height", MAP.replace("height 3", "height 99999999"), ":2"),
        ("height", MAP.replace("height 3", "height 0"), ":2"),
        ("height", MAP.replace("height 3", "height 4"), ""),
        ("height", MAP.replace("height 3", "height 2"), ""),
        ("width", MAP.replace("width 4", "width 5"), ":5"),
        ("width", MAP.replace("width 4\n", ""), ":3"),
        ("map", MAP.replace("map\n", "plan\n"), ":4"),
        ("terrain", MAP.replace("G", "x"), ":6"),
        ("file", "", ""),
    ],
)
def test_bad_maps_are_refused_by_line(tmp_path, field, grid, where):
    with pytest.raises(InputError) as caught:
        load_suite(written(tmp_path, grid))
    assert caught.value.field == field
    assert caught.value.where == f"{tmp_path / 'm.map'}{where}"


@pytest.mark.parametrize(
    ("field", "scenarios", "where"),
    [
        ("version", SCENARIOS.replace("version 1", "version 7"), ":1"),
        ("scenario", SCENARIOS.replace("\t2.41421", ""), ":2"),
        ("scenario", SCENARIOS.replace("3 0 3 0 0", "-3 0 3 0 0"), ":3"),
        ("size", SCENARIOS.replace("\t4\t3", "\t8\t6"), ":2"),
        ("start", SCENARIOS.replace("3 0 3 0 0", "2 0 3 0 0"), ":3"),
        ("goal", SCENARIOS.replace("3 0 3 0 0", "3 0 4 0 0"), ":3"),
        ("cost", SCENARIOS.replace("2.41421", "nan"), ":2"),
        ("cost", SCENARIOS.replace("2.41421", "-1"), ":2"),
        ("scenarios", "version 1\n\n", ""),
    ],
)
def test_bad_scenarios_are_refused_by_line(tmp_path, field, scenarios, where):
    path = written(tmp_path, scenarios=scenarios)
    with pytest.raises(InputError) as caught:
        load_suite(path)
    assert caught.value.field == field
    assert caught.value.where == f"{path}{where}"


def test_what_is_not_there_is_refused(tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="data"):
            load_suites(folder)
    path = written(tmp_path)
    (tmp_path / "m.map").unlink()
    with pytest.raises(InputError, match="file"):
        load_suite(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(MAP) - 1), st.binary(max_size=6), st.booleans())
def test_damaged_maps_are_refused_or_read_but_never_crash(tmp_path, at, bytes_in, cut):
    raw = MAP.encode()
    path = tmp_path / "m.map"
    path.write_bytes(raw[:at] + bytes_in + (b"" if cut else raw[at + 1 :]))
    try:
        grid = load_grid(path)
    except InputError:
        return
    assert grid.dtype == bool and grid.size <= len(MAP) + 6
