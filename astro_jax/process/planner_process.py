"""The planner's process: a cycle every 100 ms, in step with the gate's ticks.         [host]

A cycle begins right after a tick of the gate, from the state that this tick has left, and is for
the moment of the next one: messages are as old as they will be then.  How long a cycle may take is
learned (``world.latency.planning_time``): who needs longer plans for later.
"""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.deploy.runtime import Runtime
from astro_jax.process.asked import Asked
from astro_jax.process.beats import Beats, Heart
from astro_jax.process.ears import Ears
from astro_jax.process.folder import Start, write_stats
from astro_jax.process.histogram import Histogram
from astro_jax.process.mailbox import Letter, Mailbox, numpy_arrays
from astro_jax.process.parts import artifact_of, boxed, engine_for, joined
from astro_jax.process.rights import PLANNER, come_first, few_pauses, give_back, resident
from astro_jax.process.shown import Shown
from astro_jax.process.split import BRIEFED, layouts, part
from astro_jax.process.ways import Ways
from astro_jax.route.maps import load_map
from astro_jax.types import Grid
from astro_jax.wire.topics import DETECTIONS, ODOMETRY, SCAN, TRANSFORMS
from astro_jax.world.content import placed
from astro_jax.world.inbox import SECOND, snapshot
from astro_jax.world.latency import planning_time
from astro_jax.world.prior import prior_from_occupancy

HAND_OVER = 0.004
"""From a finished plan to the gate's next look, with some to spare, s."""
SETTLED = 0.004
"""After a tick is due its state is there, s."""
LONGEST = 0.2
"""A cycle that takes longer is taken for one that never ends: two periods, s."""


def run_planner(folder: Path, start: Start) -> int:
    """Plan until the gate says so, or is gone."""
    artifact = artifact_of(start)
    engine = engine_for(start, artifact, ("start", "think"))
    engine = dataclasses.replace(engine, calls={**engine.calls, "act": _no})
    warm = artifact.golden("think")[0]
    np.asarray(engine.calls["think"](warm)["state.next_plan.status"])
    recorder, box = boxed(start, "planner", artifact, engine)
    wire = joined(
        start.wire,
        folder,
        (SCAN, ODOMETRY, DETECTIONS, TRANSFORMS),
        start.domain,
        start.interface,
    )
    planner = _Planner(folder, start, Runtime(artifact, recorder), artifact, wire)
    few_pauses()
    give_back()
    # not before: who computes for a second without a pause is held up, and the gate with it
    turn = come_first(PLANNER)
    print(f"robot: planner ready ({engine.name}; {turn})", file=sys.stderr, flush=True)
    try:
        planner.run()
    finally:
        planner.end(0 if box is None else box.lost)
        if box is not None:
            box.close()
    return 0


class _Planner:
    def __init__(
        self, folder: Path, start: Start, runtime: Runtime, artifact: Any, wire: Any
    ) -> None:
        self._folder, self._runtime = folder, runtime
        config = artifact.settings.config
        self._period = round(config.gate_period * SECOND)
        self._per_cycle = round(config.period / config.gate_period)
        kinds = layouts(artifact)
        self._gate = Mailbox(folder / "gate.box", kinds.gate)
        self._post = Mailbox(folder / "planner.box", kinds.planner, writes=True)
        self._look = Mailbox(folder / "look.box", kinds.look, writes=True)
        self._form = kinds
        self._ways = Ways(Mailbox(folder / "way.box", kinds.way))
        self._ears = Ears(artifact.settings.robot, wire)
        self._wire, self._shown = wire, Shown(wire, self._ears.frames)
        self._house_map = load_map(start.map)
        self._house = self._known_house()
        runtime.start(self._house, np.zeros(3))
        self._least = float(artifact.settings.latency.planning)
        self._estimate = 0.0
        self._state: dict[str, Any] | None = None
        self._ended = False
        self.cycles = {name: Histogram() for name in ("took", "after due")}
        self.count, self._late = 0, 0
        self._rss: list[tuple[float, float]] = []
        self._heart = Heart(Beats(folder / "beats.box"), "planner", LONGEST)

    def run(self) -> None:
        """Cycle by cycle."""
        asked = Asked()
        self._heart.start()
        began, last = time.monotonic(), 0
        while not asked.to_end:
            letter = self._next(last)
            self._heart.alive()
            if letter is None:
                continue
            last = letter.numbers["tick"]
            self._cycle(letter)
            if self.count % 100 == 1:
                self._rss.append((time.monotonic() - began, resident()))
                self.write_down(0)

    def _next(self, last: int) -> Letter | None:
        """The gate's state after the tick with which the next cycle begins; None: not yet."""
        letter = self._gate.read()
        if letter is None:
            time.sleep(0.01)
            return None
        tick, due = letter.numbers["tick"], letter.numbers["due"]
        wanted = (max(tick, last) // self._per_cycle + 1) * self._per_cycle
        if tick % self._per_cycle == 0 and tick > last:
            return letter
        at = due + (wanted - tick) * self._period + round(SETTLED * SECOND)
        left = (at - time.monotonic_ns()) / SECOND
        if left > 0.0:
            time.sleep(min(left, 0.05))
            return None
        # the gate is late, or has skipped that tick
        time.sleep(0.001)
        letter = self._gate.read()
        return letter if letter and letter.numbers["tick"] > max(last, wanted - 1) else None

    def _cycle(self, letter: Letter) -> None:
        began = time.monotonic_ns()
        first = letter.numbers["tick"] + 1
        due = letter.numbers["due"] + self._period
        seen = snapshot(self._ears.listen(), due)
        place = self._house_map.to_house(np.asarray(seen.house_from_map, np.float64))
        seen = dataclasses.replace(seen, house_from_map=np.asarray(place, np.float32))
        if self._state is None:
            if not np.isfinite(np.asarray(seen.odometry.pose_map)).all():
                return
            self._state = self._runtime.start(self._house, np.asarray(seen.odometry.pose_map))
        way = self._ways.newest()
        granted = min(max(self._least, self._estimate), 1.0)
        state = {**self._state, **letter.arrays}
        self._state, report = self._runtime.think(state, seen, way, granted=granted)
        told = numpy_arrays(self._form.planner.form, part(BRIEFED, self._state))
        done = time.monotonic_ns()
        self.count += 1
        numbers = {
            "tick": first,
            "halted": int(way is None),
            "cycles": self.count,
            "microseconds": (done - began) // 1000,
        }
        self._post.write(numbers, told)
        self.cycles["took"].add((done - began) / SECOND)
        self.cycles["after due"].add((done - due) / SECOND)
        needed = max((done - due) / SECOND, 0.0) + HAND_OVER
        self._estimate = planning_time(self._estimate, needed)
        self._late += done > due + int(told["allowance"]) * self._period
        self._tell(seen, report, told, due)

    def _known_house(self) -> Grid:
        house: Any = self._house_map
        values: Any = np.asarray(prior_from_occupancy(house.occupancy.astype(np.float32)))
        return Grid(
            values=values,
            origin=np.asarray(house.origin, np.float32),  # type: ignore[arg-type]
            resolution=np.float32(house.resolution),  # type: ignore[arg-type]
        )

    def _tell(self, seen: Any, report: Any, told: Any, due: int) -> None:
        """The route worker, and whoever listens."""
        assert self._state is not None
        place, pose = np.asarray(seen.house_from_map), np.asarray(seen.odometry.pose_map)
        if self.count % 10 == 1 and np.isfinite([*place, *pose]).all():
            tracks = part(("tracks.",), told)
            self._look.write(
                {"time": due},
                {
                    **numpy_arrays(
                        {n: k for n, k in self._form.look.form.items() if n.startswith("local_")},
                        self._state,
                    ),
                    "pose_house": np.asarray(placed(place, pose), np.float32),
                    "house_from_map": place.astype(np.float32),
                    "valid": tracks["tracks.valid"],
                    "velocity_map": tracks["tracks.velocity_map"],
                    "xy_map": tracks["tracks.xy_map"],
                },
            )
        self._shown.show(self.count, told, report, due)

    def end(self, lost: int) -> None:
        """No sign of life any more."""
        self._heart.stop()
        self.write_down(lost)
        self._wire.close()

    def write_down(self, lost: int) -> None:
        """How it went so far: one that is killed cannot say so."""
        write_stats(
            self._folder,
            "planner",
            {
                "cycles": {name: one.summary() for name, one in self.cycles.items()},
                "late": self._late,
                "granted now": round(max(self._least, self._estimate), 4),
                "torn": self._gate.torn,
                "wire": dict(self._ears.counts),
                "resident MB": self._rss,
                "lost records": lost,
            },
        )


def _no(given: Any) -> dict[str, Any]:
    raise RuntimeError("the planner does not act")
