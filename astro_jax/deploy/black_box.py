"""What the robot was told and what it decided, call by call, in files.                [host]

    artifact = read_artifact(path)
    engine = engine_of(artifact)
    with BlackBox(Path("log"), artifact, engine.name) as box:
        robot = Runtime(artifact, recorded(engine, box))
        …

The loop hands over references and goes on; another thread writes.  If that thread does not keep
up, or the disk is full, whole records are lost and counted and the robot drives on.  It shares the
interpreter with the loop: .2 ms of it per tick, .6 ms per plan.  ``astro-jax replay`` runs a file
through the artifact again.
"""

import dataclasses
import hashlib
import platform
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np

from astro_jax import __version__
from astro_jax.deploy.arrays import Flat
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.call_record import Told, encoded, schema_of
from astro_jax.deploy.engine import Call, Engine
from astro_jax.deploy.log_files import LogFiles
from astro_jax.deploy.manifest import manifest_to_json
from astro_jax.deploy.settings import settings_to_json
from astro_jax.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Of a black box."""

    file_bytes: int = 64 * 2**20
    """After which a file is finished and another one begins."""
    most_bytes: int = 2**30
    """Of all files together; the oldest go."""
    waiting: int = 100
    """Calls that wait to be written, with their states (.4 MB each); more are lost."""
    rest_s: float = 1.0
    """After a write that failed: nothing is tried meanwhile."""

    def __post_init__(self) -> None:
        """Raises an InputError unless they make sense."""
        if not 0 < self.file_bytes <= self.most_bytes:
            raise InputError("file_bytes", self.file_bytes, f"1 to most_bytes {self.most_bytes}")
        if self.waiting < 1:
            raise InputError("waiting", self.waiting, "at least 1")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Call:
    function: str
    time: int
    refused: int
    """Calls before it that were not taken."""
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


class BlackBox:
    """Writes calls of one artifact's functions to a folder, one process at a time."""

    def __init__(
        self, folder: Path, artifact: Artifact, engine: str, limits: Limits | None = None
    ) -> None:
        """Open the folder and start the thread; ``engine`` is its name, for whoever reads.

        Raises:
          StorageError: the folder cannot be written, or another process writes there.
        """
        limits = limits or Limits()
        self._signatures, self._rest = artifact.manifest.functions, limits.rest_s
        schemas = {name: schema_of(both) for name, both in self._signatures.items()}
        notes = notes_of(artifact, engine)
        self._files = LogFiles(folder, schemas, notes, limits.file_bytes, limits.most_bytes)
        self._last: Flat = {}
        # each of these is changed by one thread alone
        self.written, self._refused, self._failed = 0, 0, 0
        self.error = ""
        """Why the last record that could not be written was not."""
        # the one queue whose put takes no lock that the other thread may have
        self._waiting: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._most_waiting = limits.waiting
        self._thread = threading.Thread(target=self._write_all, name="black box", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Calls that are in no file."""
        return self._refused + self._failed

    def note(self, function: str, inputs: Flat, outputs: Flat) -> None:
        """Hand over one call; never waits.  Outputs must not be changed afterwards."""
        if self._waiting.qsize() >= self._most_waiting:
            self._refused += 1
            return
        kept = {name: self._fixed(name, inputs[name]) for name in inputs}
        self._last = outputs
        self._waiting.put(
            _Call(
                function=function,
                time=time.time_ns(),
                refused=self._refused,
                inputs=kept,
                outputs=outputs,
            )
        )

    def close(self, patience_s: float = 5.0) -> None:
        """Write what waits and finish the file, or give up after ``patience_s``."""
        self._waiting.put(None)
        self._thread.join(patience_s)

    def __enter__(self) -> Self:
        """The box itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def _fixed(self, name: str, value: Any) -> Any:
        """As it is now: whoever made a NumPy array may write into it again."""
        if isinstance(value, np.ndarray) and self._last.get(name) is not value:
            return value.copy()
        return value

    def _write_all(self) -> None:
        told: Told = {}
        resting_until = -np.inf
        while (call := self._waiting.get()) is not None:
            if time.monotonic() < resting_until:
                self._failed += 1
                continue
            try:
                told = self._write(call, {} if self._files.begins else told)
            except Exception as error:  # whatever it is: the robot drives on
                self._failed += 1
                self.error = str(error)
                resting_until = time.monotonic() + self._rest
        self._files.close()

    def _write(self, call: _Call, told: Told) -> Told:
        signature = self._signatures[call.function]
        lost = call.refused + self._failed
        body, after = encoded(signature, call.inputs, call.outputs, told, lost)
        self._files.append(call.function, call.time, body)
        self.written += 1
        return after


def recorded(engine: Engine, box: BlackBox) -> Engine:
    """The engine, with every call handed to the box."""

    def noted(function: str, call: Call) -> Call:
        def run(given: Flat) -> dict[str, Any]:
            outputs = call(given)
            box.note(function, given, outputs)
            return outputs

        return run

    calls = {name: noted(name, call) for name, call in engine.calls.items()}
    return dataclasses.replace(engine, calls=calls)


def notes_of(artifact: Artifact, engine: str) -> dict[str, str]:
    """Who decided: artifact, versions, machine, settings."""
    return {
        "artifact": identity(artifact),
        "astro_jax": __version__,
        "jax": jax.__version__,
        "engine": engine,
        "machine": f"{platform.system()} {platform.machine()}",
        "settings": settings_to_json(artifact.settings).decode(),
    }


def identity(artifact: Artifact) -> str:
    """SHA-256 of its manifest, which has that of every part."""
    return hashlib.sha256(manifest_to_json(artifact.manifest)).hexdigest()
