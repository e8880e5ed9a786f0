"""A base in the open for a robot under test: wheels that obey at once, a scan that sees nothing."""

import threading
import time
from pathlib import Path

import numpy as np

from astro_jax.config import RobotConfig
from astro_jax.process.ears import frames_of
from astro_jax.sim.messages import as_messages
from astro_jax.types import Detections, Odometry, Scan, Snapshot
from astro_jax.wire import told
from astro_jax.wire.loopback import Loopback
from astro_jax.wire.sensed import clock_offset
from astro_jax.wire.topics import COMMAND

PERIOD = 0.02
AGE = 0.02
"""Of everything that it says, s."""


class Peer:
    """Lives in a thread of the test."""

    def __init__(self, folder: Path, robot: RobotConfig, pose: tuple[float, float, float]) -> None:
        self._robot, self._frames = robot, frames_of(robot)
        self._wire = Loopback(folder / "wire", (COMMAND,))
        self.pose, self.twist = np.array(pose, float), np.zeros(2)
        self.commands = 0
        self.speaks = threading.Lock()
        """Whoever holds it keeps the base silent."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._wire.close()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(PERIOD):
            for _, message in self._wire.take():
                self.twist = np.array([message["linear"]["x"], message["angular"]["z"]])
                self.commands += 1
            passed, last = time.monotonic() - last, time.monotonic()
            v, omega = self.twist
            yaw = self.pose[2]
            self.pose += passed * np.array([v * np.cos(yaw), v * np.sin(yaw), omega])
            with self.speaks:
                self._say()

    def _say(self) -> None:
        now, offset = time.monotonic_ns(), clock_offset()
        for message in as_messages(self._robot, self._frames, "laser", self._seen(), now):
            self._wire.publish(*told.measured(message, offset))

    def _seen(self) -> Snapshot:
        beams = self._robot.sensor.beams
        nobody = np.zeros(1, np.int32)
        # NumPy where the nouns say JAX, as on every host
        return Snapshot(
            scan=Scan(
                ranges=np.full(beams, np.inf),  # type: ignore[arg-type]
                valid=np.ones(beams, bool),  # type: ignore[arg-type]
                pose_map=self.pose,  # type: ignore[arg-type]
                age=AGE,
            ),
            odometry=Odometry(pose_map=self.pose, twist=self.twist, age=AGE),  # type: ignore[arg-type]
            detections=Detections(
                xy_map=np.zeros((1, 2)),  # type: ignore[arg-type]
                xy_cov=np.zeros((1, 2, 2)),  # type: ignore[arg-type]
                radius=np.zeros(1),  # type: ignore[arg-type]
                kind=nobody,  # type: ignore[arg-type]
                identity=nobody,  # type: ignore[arg-type]
                seen=np.zeros(1, bool),  # type: ignore[arg-type]
                age=AGE,
            ),
            house_from_map=np.zeros(3),  # type: ignore[arg-type]
        )
