"""A robot and a simulated base on one machine, over the wire, by the clock: what comes. [host]

Both are started as anybody would start them; a person's part is played by this process: it keeps
other cores busy if that is asked for, measures memory from outside, kills the planner while the
robot drives, and asks it to end.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astro_jax.deploy.artifact import read_artifact
from astro_jax.errors import InputError
from astro_jax.process.beats import SILENT, Beats
from astro_jax.process.folder import folder_of
from astro_jax.process.mailbox import Mailbox
from astro_jax.process.split import layouts
from astro_jax.reactive.senses import Mode

READY = 180.0
"""For so long a robot may take to get ready: XLA compiles on a new machine, s."""
SAMPLE = 5.0
"""Between two looks at the memory, s."""
DRIVING = 30.0
"""For so long is waited for the robot to drive before its planner is killed, s."""
_HOG = "while True: pass"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """What is tried."""

    artifact: Path
    map: Path
    people: int
    wire: str
    seconds: float
    hogs: int
    log: Path | None
    engine: str
    cache: Path | None
    name: str


def run_trial(trial: Trial) -> dict[str, Any]:
    """Everything that was measured, by who measured it.

    Raises:
      InputError: the robot or the simulator could not be started.
    """
    kinds = layouts(read_artifact(trial.artifact))
    folder = folder_of(trial.name)
    with _process(_robot(trial)) as robot:
        _until(lambda: _ready(folder), READY, robot)
        gate = Mailbox(folder / "gate.box", kinds.gate)
        with _hogs(trial.hogs), _process(_simulator(trial)) as simulator:
            _until(lambda: _mode(gate) != Mode.STOPPED, READY, robot)
            before = stolen()
            memory = _memory(robot, trial.seconds)
            planner = json.loads((folder / "stats-planner.json").read_text())
            taken = stolen() - before
            killed = _kill_planner(gate, robot)
            went = _read_until_ended(robot)
            simulator.send_signal(signal.SIGTERM)
            simulator.wait(30.0)
    found = {role: json.loads((folder / f"stats-{role}.json").read_text()) for role in _STATS}
    return {
        **found,
        "planner": planner,
        "memory": memory,
        "killed": killed,
        "ended": went,
        "stolen": round(taken, 3),
        "load": os.getloadavg()[0],
        "cores": len(os.sched_getaffinity(0)),
    }


_STATS = ("gate", "route", "sim")


def _robot(trial: Trial) -> list[str]:
    command = ["robot", "--artifact", str(trial.artifact), "--map", str(trial.map), "--listen"]
    command += ["--wire", trial.wire, "--name", trial.name, "--engine", trial.engine]
    for name in ("log", "cache"):
        value = getattr(trial, name)
        command += [] if value is None else [f"--{name}", str(value)]
    return command


def _simulator(trial: Trial) -> list[str]:
    command = ["robot-sim", "--artifact", str(trial.artifact), "--map", str(trial.map)]
    command += ["--wire", trial.wire, "--name", trial.name, "--people", str(trial.people)]
    return command


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "astro_jax.cli", *command], stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _hogs(count: int) -> Iterator[None]:
    hogs = [subprocess.Popen([sys.executable, "-c", _HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def _until(what: Callable[[], bool], seconds: float, robot: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + seconds
    while not what():
        if robot.poll() is not None:
            raise InputError("robot", f"ended with {robot.returncode}", "one that drives")
        if time.monotonic() > end:
            raise InputError("robot", f"not so after {seconds:g} s", "one that drives")
        time.sleep(0.02)


def _ready(folder: Path) -> bool:
    beats = folder / "beats.box"
    now = time.monotonic_ns()
    return beats.exists() and Beats(beats).silence("planner", now) < SILENT


def _mode(gate: Mailbox) -> int:
    letter = gate.read()
    return Mode.STOPPED if letter is None else letter.numbers["mode"]


def _children(robot: subprocess.Popen[bytes]) -> dict[str, int]:
    """Processes of the robot, by role."""
    found = {"gate": robot.pid}
    listed = Path(f"/proc/{robot.pid}/task/{robot.pid}/children").read_text()
    for pid in listed.split():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        found.update({role: int(pid) for role in ("planner", "route") if role.encode() in words})
    return found


def _memory(robot: subprocess.Popen[bytes], seconds: float) -> dict[str, list[float]]:
    """MB in use by role, every ``SAMPLE`` seconds."""
    found: dict[str, list[float]] = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for role, pid in _children(robot).items():
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            mb = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
            found.setdefault(role, []).append(round(mb, 2))
        time.sleep(min(SAMPLE, max(end - time.monotonic(), 0.0)))
    return found


def stolen() -> float:
    """What the host of a virtual machine has taken of its cores since its start, s."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def _kill_planner(gate: Mailbox, robot: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Ticks from the planner's death to the stop, and what the robot did."""

    def drives() -> bool:
        letter = gate.read()
        return letter is not None and letter.numbers["mode"] == Mode.RUNNING

    _until(drives, DRIVING, robot)
    os.kill(_children(robot)["planner"], signal.SIGKILL)
    count, letter = gate.count, gate.read()
    at = 0 if letter is None else letter.numbers["tick"]
    _until(lambda: _mode(gate) == Mode.STOPPED, 5.0, robot)
    letter = gate.read()
    assert letter is not None
    ticks = letter.numbers["since"] - count
    _until(drives, READY, robot)
    return {"ticks to the stop": ticks, "at tick": at}


def _read_until_ended(robot: subprocess.Popen[bytes]) -> dict[str, Any]:
    """SIGTERM, and what comes of it."""
    began = time.monotonic()
    robot.send_signal(signal.SIGTERM)
    robot.wait(30.0)
    return {"code": robot.returncode, "seconds": round(time.monotonic() - began, 2)}
