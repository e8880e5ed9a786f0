"""Where the processes of one robot meet: a folder of this user alone, and one lock.   [host]

    lock            held by the gate for as long as it lives; the kernel lets go of it
    run.json        what the robot was started with
    *.box           shared memory (``process/mailbox.py``)
    wire/           sockets of the loopback wire
    stats-*.json    how it went, written at the end

It lies in shared memory where there is such a place: nothing in it has to outlive the machine.
"""

import dataclasses
import fcntl
import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from astro_jax.deploy.settings import load_json
from astro_jax.errors import InputError

NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
WIRE = "wire"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """What a robot was started with; every process of it reads the same."""

    name: str
    artifact: str
    engine: str
    cache: str | None
    map: str
    wire: str
    domain: int
    interface: str
    log: str | None
    goal: tuple[float, float, float] | None
    listen: bool
    """Whether goals on the wire count."""


def folder_of(name: str) -> Path:
    """The robot's folder, made if need be.

    Raises:
      InputError: the name is none, or the folder can be written by others.
    """
    if not (0 < len(name) <= 24 and set(name) <= NAME):
        raise InputError("name", name, "1 to 24 of a-z, 0-9, - and _")
    root = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
    own = root / f"astro_jax-{os.getuid()}"
    for path in (own, own / name):
        path.mkdir(mode=0o700, exist_ok=True)
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
            expected = "a folder of this user alone (mode 700)"
            raise InputError("name", str(path), expected)
    return own / name


def locked(folder: Path) -> int:
    """The lock of a robot, held for as long as this process lives; its file descriptor.

    Raises:
      InputError: another process has it.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
        os.close(lock)
        expected = "no robot of this name that runs already; end that one, or use another --name"
        raise InputError("name", f"{folder.name} (process {owner})", expected) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def write_json(path: Path, document: Any) -> None:
    """All of it or nothing."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def write_stats(folder: Path, role: str, document: Any) -> None:
    """How it went with one process; without a place to write it down it drives on."""
    try:
        write_json(folder / f"stats-{role}.json", document)
    except OSError as error:
        print(f"robot: {role}: statistics not written ({error})", file=sys.stderr, flush=True)


def write_start(folder: Path, start: Start) -> None:
    """For the other processes."""
    write_json(folder / "run.json", dataclasses.asdict(start))


def read_start(folder: Path) -> Start:
    """What ``write_start`` wrote."""
    path = folder / "run.json"
    document = load_json(path.read_bytes(), str(path))
    goal = document["goal"]
    return Start(**{**document, "goal": None if goal is None else tuple(goal)})


def swept(folder: Path) -> None:
    """Take away what an earlier robot of this name has left, lock and log excepted."""
    for path in folder.glob("*.box"):
        path.unlink(missing_ok=True)
    for path in folder.glob("stats-*.json"):
        path.unlink(missing_ok=True)
