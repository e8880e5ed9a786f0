"""One episode of ``bench surprise``, tick by tick, around what went wrong.            [host]

Distances are in metres and seen from the robot: (ahead, to its left).
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from astro_jax.bench.surprise import PROMISES
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive import gate
from astro_jax.reactive.senses import Mode
from astro_jax.sim.ambush.cast import PEOPLE, Ambush
from astro_jax.sim.ambush.envelope import AT_FAULT, Kind
from astro_jax.sim.ambush.episode import React, run_ambush, start_ambush
from astro_jax.sim.ambush.script import EPISODE
from astro_jax.sim.ambush.state import Tick
from astro_jax.sim.ambush.strata import draw, stratum_of
from astro_jax.sim.ambush.trouble import Fault
from astro_jax.types import Reason

BEFORE, AFTER = 60, 6
"""Ticks shown before and after what went wrong."""


def lines_of(
    robot: RobotConfig,
    config: PlannerConfig,
    seed: int,
    seconds: float = EPISODE,
    react: React = gate.react,
) -> Iterator[str]:
    """Lines to print: what went wrong and when, then the ticks around the first of it."""
    ticks = record(robot, config, seed, seconds, react)
    yield f"seed {seed}: {stratum_of(seed)}, {seconds:g} s"
    events = list(_events(ticks))
    if not events:
        yield "nothing went wrong"
        return
    for tick, body, what in events:
        yield f"{ticks.time[tick]:6.2f} s  {what}" + ("" if body is None else f" ({_name(body)})")
    tick, body, _ = events[0]
    yield from _around(ticks, tick, _nearest(ticks, tick) if body is None else body)


def record(
    robot: RobotConfig, config: PlannerConfig, seed: int, seconds: float, react: React
) -> Tick:
    """Every tick of the episode; arrays have a leading axis of ticks."""

    def episode(ambush: Ambush, key: jax.Array) -> Tick | None:
        start = start_ambush(robot, config, ambush, key)
        cycles = round(seconds / config.period)
        return run_ambush(robot, config, ambush, start, cycles, react, replay=True)[1]

    lines = jax.device_get(jax.jit(episode)(draw(robot, seed), jax.random.key(seed)))
    assert lines is not None
    return lines


def _events(lines: Tick) -> Iterator[tuple[int, int | None, str]]:
    """(Tick, body or None, what): the robot's faults first, then what was none."""
    struck = [(int(t), int(b)) for t, b in np.argwhere(lines.struck >= 0)]
    kinds = {(t, b): Kind(int(lines.struck[t, b])) for t, b in struck}
    for t, b in sorted(struck, key=lambda at: (kinds[at] not in AT_FAULT, at)):
        yield t, b, f"contact: {kinds[t, b].name.lower()}"
    for k, promise in enumerate(PROMISES):
        broken = np.flatnonzero(lines.broken[:, k])
        if len(broken):
            yield int(broken[0]), None, f"{promise} broken in {len(broken)} ticks"


def _around(lines: Tick, tick: int, body: int) -> Iterator[str]:
    yield (
        "time s | true v ω | plan's v ω | command v ω | mode reason ceiling | scan's age | "
        f"{_name(body)}: gap, seen fairly, place, velocity | nearest track | faults, promises"
    )
    for t in range(max(tick - BEFORE, 0), min(tick + AFTER, len(lines.time))):
        place = _seen(lines.pose[t], lines.xy[t, body] - lines.pose[t, :2])
        velocity = lines.velocity[t, body] if body < PEOPLE else np.zeros(2)
        faults = [Fault(k).name for k in np.flatnonzero(lines.faults[t])]
        faults += [p for p, n in zip(PROMISES, lines.broken[t], strict=True) if n]
        yield " | ".join(
            [
                f"{lines.time[t]:6.2f}",
                *(_pair(values[t]) for values in (lines.twist, lines.wished, lines.command)),
                f"{Mode(int(lines.mode[t])).name:9s} {Reason(int(lines.reason[t])).name:8s} "
                f"{lines.ceiling[t]:5.2f}",
                f"{lines.scan_age[t]:.2f}",
                f"{lines.gaps[t, body]:6.3f} {'s' if lines.seen[t, body] else '-'}"
                f"{'f' if lines.fair[t, body] else '-'} {_pair(place)} "
                f"{_pair(_seen(lines.pose[t], velocity))}",
                _track(lines, t, place),
                " ".join(faults),
            ]
        ).rstrip(" |")


def _track(lines: Tick, t: int, place: Any) -> str:
    """The track nearest to ``place``: where it was when it was true, and its velocity."""
    valid = lines.tracks_valid[t]
    if not valid.any():
        return "none"
    places = np.array(
        [_seen(lines.belief[t], xy - lines.belief[t, :2]) for xy in lines.tracks_xy[t]]
    )
    k = int(np.argmin(np.where(valid, np.hypot(*(places - place).T), np.inf)))
    return f"{_pair(places[k])} {_pair(_seen(lines.belief[t], lines.tracks_velocity[t, k]))}"


def _seen(pose: Any, vector: Any) -> np.ndarray:
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return np.array([c * vector[0] + s * vector[1], c * vector[1] - s * vector[0]])


def _pair(values: Any) -> str:
    return f"{values[0]:5.2f} {values[1]:5.2f}"


def _name(body: int) -> str:
    return f"person {body}" if body < PEOPLE else f"thing {body - PEOPLE}"


def _nearest(lines: Tick, tick: int) -> int:
    return int(np.argmin(lines.gaps[tick]))
