"""The gate's process: the parent of the others, and the only writer of commands.      [host]

Every 20 ms by the clock: hear the sensors and the planner, ask the artifact's gate, send its word.
What was late is counted and not caught up with.  It goes on without a planner (stopped), without a
route worker (with the last way) and without a disk; when it ends itself, no command comes any more,
and the base's own watchdog stops it (``topics.COMMAND_DEADLINE``).
"""

import dataclasses
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.deploy.black_box import BlackBox
from astro_jax.deploy.runtime import Runtime
from astro_jax.process.asked import Asked
from astro_jax.process.beats import SILENT, Beats
from astro_jax.process.buttons import ALL, STOPS
from astro_jax.process.ears import Ears
from astro_jax.process.folder import Start, write_stats
from astro_jax.process.gate import Gate
from astro_jax.process.histogram import Histogram
from astro_jax.process.keeper import Child
from astro_jax.process.mailbox import Mailbox
from astro_jax.process.parts import artifact_of, boxed, engine_for, joined
from astro_jax.process.rights import GATE, come_first, give_back, keep_memory, no_pauses, resident
from astro_jax.process.split import layouts
from astro_jax.wire.told import command
from astro_jax.wire.topics import COMMAND, ODOMETRY, SCAN
from astro_jax.world.inbox import SECOND, nearby

AT_REST = 0.2
"""For so long zero is sent before the process ends, s."""
PATIENCE = 3.0
"""After a SIGTERM the process ends, at rest or not, s: no robot takes that long to stop."""
KEPT = 20
MICRO = 1e6


def run_gate(folder: Path, start: Start) -> int:
    """Drive until SIGTERM or SIGINT; 0, or 1 if the robot was disarmed by then.

    Raises:
      InputError: artifact, cache, log or wire cannot be used; nothing has moved.
    """
    asked = Asked()
    artifact = artifact_of(start)
    engine = engine_for(start, artifact, ("start", "act"))
    # compiled with all of its functions in view, called with two of them
    runtime = Runtime(artifact, dataclasses.replace(engine, calls={**engine.calls, "think": _no}))
    gate = Gate(runtime)
    engine, box = boxed(start, "gate", artifact, engine)
    give_back()
    # the box's thread too: one that has to wait its turn with the interpreter in its hands would
    # make the gate wait with it
    rights = {"turn": come_first(GATE), "memory": keep_memory()}
    runtime.engine = dataclasses.replace(engine, calls={**engine.calls, "think": _no})
    loop = _Loop(folder, start, gate, artifact, box)
    print(f"robot: gate ready ({engine.name}; {rights})", file=sys.stderr, flush=True)
    try:
        loop.run(asked)
    finally:
        loop.end(rights)
        if box is not None:
            box.close()
    return 1 if loop.disarmed else 0


class _Loop:
    def __init__(
        self, folder: Path, start: Start, gate: Gate, artifact: Any, box: BlackBox | None
    ) -> None:
        self._folder, self._gate, self._box = folder, gate, box
        self._period = round(artifact.settings.config.gate_period * SECOND)
        kinds = layouts(artifact)
        self._post = Mailbox(folder / "gate.box", kinds.gate, writes=True)
        self._planner = Mailbox(folder / "planner.box", kinds.planner)
        self._beats = Beats(folder / "beats.box")
        heard = (SCAN, ODOMETRY, *(ALL if start.listen else STOPS))
        self._wire = joined(start.wire, folder, heard, start.domain, start.interface)
        self._ears = Ears(artifact.settings.robot, self._wire)
        self._children = [Child(role, folder) for role in ("planner", "route")]
        self._read = self._planner.count
        self._silences, self._was_alive = 0, False
        self.ticks = {name: Histogram() for name in ("late", "took", "until sent")}
        self.ages = {name: Histogram() for name in ("scan", "odometry", "plan")}
        self.over, self.overs = 0, deque(maxlen=KEPT)
        """Ticks that ended after the next was due: how many; (s, ms late, ms long) of the last."""
        self._mode, self._since = -1, 0
        self._modes: dict[int, int] = {}
        self._rss: list[tuple[float, float]] = []

    @property
    def disarmed(self) -> bool:
        """Whether the planner has died too often."""
        return self._children[0].given_up

    def run(self, asked: Asked) -> None:
        """Tick until asked to end, and at rest then."""
        no_pauses()
        first = time.monotonic_ns()
        number, ending, still = 0, None, 0.0
        while ending is None or (still < AT_REST and number * self._period < ending):
            if asked.to_end and ending is None:
                ending = number * self._period + round(PATIENCE * SECOND)
            due = first + number * self._period
            _sleep_until(due)
            now = time.monotonic_ns()
            twist = self._tick(number, due, now, ending is not None)
            still = still + self._period / SECOND if not np.any(twist) else 0.0
            after = time.monotonic_ns()
            self.ticks["late"].add((now - due) / SECOND)
            self.ticks["took"].add((after - now) / SECOND)
            if after - due > self._period:
                self.over += 1
                parts = [round(1e3 * part / SECOND, 2) for part in (now - due, after - now)]
                self.overs.append((round(number * self._period / SECOND, 2), *parts))
            if number % 500 == 0:
                self._rss.append(((now - first) / SECOND, resident()))
            # ticks that are over are not caught up with
            number = max(number + 1, -(-(after - first) // self._period))

    def _tick(self, number: int, due: int, now: int, ending: bool) -> np.ndarray:
        planner, route = self._children
        silence = self._beats.silence("planner", now)
        lives, _ = planner.look(silence), route.look(self._beats.silence("route", now))
        lives = lives and silence <= SILENT
        self._silences += self._was_alive and not lives
        self._was_alive = lives
        letter = self._planner.read(self._read)
        if letter is not None:
            self._read = letter.count
            self._gate.hear(letter)
        if ending or not lives:
            self._gate.void()
        scan, odometry = nearby(self._ears.listen(), now)
        buttons = self._ears.buttons
        verdict = self._gate.tick(
            number, now, scan, odometry, stop=buttons.stop, rearm=buttons.rearmed()
        )
        twist = verdict["twist"]
        self._wire.publish(COMMAND, command(twist))
        self.ticks["until sent"].add((time.monotonic_ns() - due) / SECOND)
        self._count(verdict, scan, odometry)
        v, omega = (round(MICRO * float(value)) for value in twist)
        self._post.write(
            {
                "tick": number,
                "due": due,
                "mode": int(verdict["mode"]),
                "reason": int(verdict["reason"]),
                "since": self._since,
                "twist_v": v,
                "twist_omega": omega,
                "missed": self._gate.missed,
                "skipped": self._gate.skipped,
            },
            {name: np.asarray(value) for name, value in self._gate.driven.items()},
        )
        self._beats.beat("gate")
        return twist

    def _count(self, verdict: Any, scan: Any, odometry: Any) -> None:
        mode = int(verdict["mode"])
        if mode != self._mode:
            self._mode, self._since = mode, self._post.count + 1
        self._modes[mode] = self._modes.get(mode, 0) + 1
        plan_age = float(self._gate.driven["plan_age"])
        ages = {"scan": float(scan.age), "odometry": float(odometry.age), "plan": plan_age}
        for name, age in ages.items():
            if np.isfinite(age):
                self.ages[name].add(age)

    def end(self, rights: dict[str, str]) -> None:
        """The children end, and it is written down how it went."""
        for child in self._children:
            child.end()
        write_stats(
            self._folder,
            "gate",
            {
                **rights,
                "ticks": {name: one.summary() for name, one in self.ticks.items()},
                "ages": {name: one.summary() for name, one in self.ages.items()},
                "over": self.over,
                "overs": list(self.overs),
                "skipped": self._gate.skipped,
                "missed plans": self._gate.missed,
                "plans": self._gate.heard,
                "planner silent": self._silences,
                "deaths": {child.role: child.deaths for child in self._children},
                "disarmed": self.disarmed,
                "torn": self._planner.torn,
                "modes": self._modes,
                "wire": dict(self._ears.counts),
                "resident MB": self._rss,
                "lost records": 0 if self._box is None else self._box.lost,
            },
        )
        self._wire.close()


def _sleep_until(due: int) -> None:
    while (left := due - time.monotonic_ns()) > 0:
        time.sleep(left / SECOND)


def _no(given: Any) -> dict[str, Any]:
    raise RuntimeError("the gate does not plan")
