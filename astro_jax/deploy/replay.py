"""A black box's file through an artifact again: is every decision the same, bit by bit? [host]

Only the same engine on the same kind of processor can be expected to say yes: rounding differs
between others.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.deploy.arrays import Kind
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.black_box import identity
from astro_jax.deploy.call_record import FULL, HASHED, SAME, decoded, digest, schema_of
from astro_jax.deploy.engine import Engine
from astro_jax.deploy.log_format import Log, Message, read_log
from astro_jax.deploy.manifest import Signature
from astro_jax.errors import InputError

MOST_BYTES = 2**31
"""Of a file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """The first one."""

    record: int
    """From 0, within the file."""
    function: str
    time: float
    """Since the file began, s."""
    array: str
    index: tuple[int, ...] | None
    """None: the array is only known by its hash."""
    was: str
    now: str

    def __str__(self) -> str:
        """One line."""
        at = "" if not self.index else f"[{', '.join(map(str, self.index))}]"
        place = f"record {self.record} ({self.function}, {self.time:.3f} s)"
        return f"{place}: {self.array}{at} is {self.now}; recorded {self.was}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of it."""

    calls: Mapping[str, int]
    """That were run again, by function."""
    seconds: float
    """From the first to the last record."""
    lost: int
    """Calls that the box lost between the first and the last record."""
    cut: int
    """Bytes at the end of the file that are no whole record."""
    same_artifact: bool
    recorded_by: str
    """Engine and machine."""
    difference: Difference | None


def read_log_file(path: Path) -> Log:
    """A file of a black box.

    Raises:
      InputError: it cannot be read, is of another kind, or damaged.
    """
    try:
        if not path.is_file():
            raise InputError("log", str(path), "an existing file")
        if path.stat().st_size > MOST_BYTES:
            raise InputError("log", f"{path.stat().st_size} bytes", f"at most {MOST_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise InputError("log", str(path), f"a readable file ({error.strerror})") from None
    return read_log(data, str(path))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Again:
    """One call of a log, run again."""

    function: str
    time: float
    """Since the file began, s."""
    lost: int
    """Calls that the box had lost by then."""
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    """As they come out now."""
    difference: Difference | None


def run_again(log: Log, artifact: Artifact, engine: Engine) -> Iterator[Again]:
    """Call by call; each from what was recorded, and from what the calls before gave now.

    Raises:
      InputError: it was recorded with functions that take or give other arrays, or a record
        builds on one that is not there.
    """
    functions = artifact.manifest.functions
    for topic, schema in log.schemas.items():
        if topic not in functions or schema != schema_of(functions[topic]):
            found = f"a log of another {topic}"
            raise InputError("log", found, f"the arrays of {artifact.where}", log.where)
    known: dict[str, Any] = {}
    first = log.messages[0].time
    for message in log.messages:
        signature = functions[message.topic]
        where = f"{log.where}, record {message.number}"
        record = decoded(signature, message.body, where)
        inputs = _inputs(signature, record.inputs, known, where)
        outputs = engine.calls[message.topic](inputs)
        yield Again(
            function=message.topic,
            time=1e-9 * (message.time - first),
            lost=record.lost,
            inputs=inputs,
            outputs=outputs,
            difference=_difference(signature, message, record.outputs, inputs, outputs, first),
        )
        known = {**known, **inputs, **outputs}


def replay(log: Log, artifact: Artifact, engine: Engine) -> Replayed:
    """Run every call of a log again, up to the first difference.

    Raises:
      InputError: see ``run_again``.
    """
    calls: Counter[str] = Counter()
    lost: list[int] = []
    found = None
    for call in run_again(log, artifact, engine):
        calls[call.function] += 1
        lost.append(call.lost)
        found = call.difference
        if found is not None:
            break
    return Replayed(
        calls=dict(calls),
        seconds=1e-9 * (log.messages[-1].time - log.messages[0].time),
        lost=lost[-1] - lost[0],
        cut=log.cut,
        same_artifact=log.notes.get("artifact") == identity(artifact),
        recorded_by=f"{log.notes.get('engine')}, {log.notes.get('machine')}",
        difference=found,
    )


def call_at(log: Log, artifact: Artifact, engine: Engine, time: float) -> Again:
    """The last planning cycle that was over by ``time`` (s since the file began).

    Of a file of the gate alone, the last tick.

    Raises:
      InputError: there is none; or see ``run_again``.
    """
    named = {message.topic for message in log.messages}
    wanted = "think" if "think" in named else "act"
    found = None
    for call in run_again(log, artifact, engine):
        if call.time > time:
            break
        if call.function == wanted:
            found = call
    if found is None:
        whole = 1e-9 * (log.messages[-1].time - log.messages[0].time)
        raise InputError("draw", time, f"a time by which it had decided, up to {whole:.2f} s")
    return found


def _inputs(
    signature: Signature,
    told: Mapping[str, tuple[int, bytes]],
    known: Mapping[str, Any],
    where: str,
) -> dict[str, Any]:
    inputs = {}
    for name, kind in signature.inputs.items():
        code, data = told[name]
        if code == FULL:
            inputs[name] = np.frombuffer(data, kind.dtype).reshape(kind.shape)
        elif code == SAME and name in known:
            inputs[name] = known[name]
        else:
            raise InputError(name, "told nowhere", "a record that has it", where)
    return inputs


def _difference(
    signature: Signature,
    message: Message,
    told: Mapping[str, tuple[int, bytes]],
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    first: int,
) -> Difference | None:
    for name, kind in signature.outputs.items():
        code, data = told[name]
        now = np.asarray(outputs[name], kind.dtype)
        if code == HASHED:
            if digest(now.tobytes()) == data:
                continue
            index, was, shown = None, "another one (by its hash)", "otherwise"
        else:
            before = np.asarray(inputs[name], kind.dtype).tobytes() if code == SAME else data
            if before == now.tobytes():
                continue
            index, was, shown = _element(kind, before, now)
        return Difference(
            record=message.number,
            function=message.topic,
            time=1e-9 * (message.time - first),
            array=name,
            index=index,
            was=was,
            now=shown,
        )
    return None


def _element(kind: Kind, before: bytes, now: np.ndarray) -> tuple[tuple[int, ...], str, str]:
    """Where they differ first in their bits, and what is there."""
    was = np.frombuffer(before, kind.dtype)
    bits = f"V{kind.dtype.itemsize}"
    flat = int(np.flatnonzero(was.view(bits) != now.reshape(-1).view(bits))[0])
    index = tuple(int(k) for k in np.unravel_index(flat, kind.shape)) if kind.shape else ()
    return index, str(was[flat]), str(now.reshape(-1)[flat])
