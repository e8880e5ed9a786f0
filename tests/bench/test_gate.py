"""The bench of the gate: it drives what it times, and counts what it says it counts."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.bench.gate import HALF_WIDTH, SPEED, Corridor, bench_gate, compilations, with_sizes
from astro_jax.bench.report import write_json
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.errors import InputError
from astro_jax.world.inbox import SECOND, nearby, receive

ROBOT, CONFIG = with_sizes(DEFAULT_ROBOT, DEFAULT_PLANNER, 100, 180, 4)


@pytest.fixture
def corridor():
    return Corridor(ROBOT, CONFIG, 4, np.random.default_rng(1))


def test_the_report_is_of_a_gate_that_drives(tmp_path):
    report = bench_gate(ROBOT, CONFIG, people=4, seconds=0.3)
    metrics = report.metrics
    assert metrics["ticks"] == 30 and metrics["rate_hz"] == pytest.approx(100.0)
    assert metrics["driving"] == 1.0 and metrics["recompiles"] == 0
    assert 0.0 < metrics["tick_median_ms"] <= metrics["tick_p99_ms"] <= metrics["tick_max_ms"]
    assert metrics["tick_cpu_median_ms"] <= metrics["tick_max_ms"]
    assert (metrics["beams"], metrics["people"]) == (180, 4)
    write_json(tmp_path / "gate.json", report.as_dict())
    assert json.loads((tmp_path / "gate.json").read_text())["metrics"]["ticks"] == 30


def test_messages_are_of_a_corridor_and_late_by_what_is_usual(corridor):
    corridor.x, corridor.speed, now = 3.0, SPEED, 7 * SECOND
    for earlier in (now - SECOND // 20, now):
        for message in corridor.messages(earlier):
            corridor.inbox = receive(corridor.inbox, message, earlier)
    scan, odometry = nearby(corridor.inbox, now)
    assert float(scan.age) == pytest.approx(0.04) and float(odometry.age) == pytest.approx(0.02)
    assert float(odometry.pose_map[0]) == pytest.approx(3.0 - 0.02 * SPEED, abs=1e-5)
    bearing = np.linspace(-0.5, 0.5, ROBOT.sensor.beams) * ROBOT.sensor.field_of_view
    y = np.asarray(scan.ranges) * np.sin(bearing)
    seen = np.isfinite(y)
    assert np.mean(seen) > 0.8
    assert np.max(np.abs(np.abs(y[seen]) - HALF_WIDTH)) < 6 * ROBOT.sensor.range_noise


def test_a_briefing_goes_along_with_the_robot(corridor):
    first = corridor.briefing(SECOND).contents
    corridor.advance(100.0)
    second = corridor.briefing(2 * SECOND).contents
    moved = np.asarray(second.tracks.xy_map - first.tracks.xy_map)
    np.testing.assert_allclose(moved, [[1.0, 0.0]] * CONFIG.people, atol=1e-5)
    np.testing.assert_allclose(second.clearance.origin - first.clearance.origin, [1.0, 0.0])


def test_compilations_are_counted_and_only_meanwhile():
    with compilations() as found:
        jax.jit(lambda x: 2.5 * x - 1.25)(jnp.arange(5.0)).block_until_ready()
    count = len(found)
    assert count >= 1 and all(seconds >= 0.0 for seconds in found)
    jax.jit(lambda x: 3.5 * x - 2.25)(jnp.arange(5.0)).block_until_ready()
    assert len(found) == count


@pytest.mark.parametrize(
    ("sizes", "field"),
    [((50, 4, 4), "beams"), ((50, 720, 65), "people"), ((55, 720, 16), "gate_period")],
)
def test_sizes_that_do_not_fit_are_refused(sizes, field):
    with pytest.raises(InputError) as caught:
        with_sizes(DEFAULT_ROBOT, DEFAULT_PLANNER, *sizes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [({"people": 99}, "people"), ({"seconds": 0.0}, "seconds"), ({"seconds": np.nan}, "seconds")],
)
def test_what_cannot_be_measured_is_refused_before_it_compiles(change, field):
    with compilations() as found, pytest.raises(InputError, match=field):
        bench_gate(ROBOT, CONFIG, **({"people": 4} | change))
    other = dataclasses.replace(ROBOT, drive="omni")
    with pytest.raises(InputError, match="drive"):
        bench_gate(other, CONFIG, people=4)
    assert found == []
