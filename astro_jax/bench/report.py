"""The format of every measurement, so that people, CI and plots read the same thing. [host]"""

import dataclasses
import json
import math
import os
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from astro_jax.deploy.settings import load_json
from astro_jax.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What was measured, with what, and where."""

    name: str
    metrics: Mapping[str, float]
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    cases: Sequence[Mapping[str, Any]] = ()
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The report with commit, device and versions filled in, ready for JSON."""
        return {
            "name": self.name,
            "commit": commit(),
            "config": plain(self.config),
            "device": device(),
            "versions": _versions(),
            "seed": self.seed,
            "metrics": plain(self.metrics),
            "intervals": plain(self.intervals),
            "cases": plain(self.cases),
        }


MOST_BYTES = 32 << 20
"""Of a report that is read."""
NUMBER, NUMBERS, TEXT = "a number", "a list of numbers", "text"
"""What a column of a report's cases can hold; a number may be null where nothing was measured."""


def read_report(path: Path, name: str, columns: Mapping[str, str]) -> Report:
    """The report of ``bench NAME`` in a file that ``write_json`` made; null becomes NaN.

    Args:
      path: the file.
      name: of the bench.
      columns: what each of the cases has to hold at least, and of which kind.

    Raises:
      InputError: no such file, no JSON, another bench's report, no cases, or a column that is
        missing or of another kind.
    """
    where = str(path)
    if not path.is_file():
        raise InputError("file", where, "an existing file")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError("file", where, f"a readable file ({error.strerror})") from error
    held = load_json(data, where, MOST_BYTES)
    found = held.get("name") if isinstance(held, dict) else type(held).__name__
    if found != name:
        raise InputError("name", found, f"{name}: a report of bench {name}", where)
    metrics, config, cases = (held.get(part) for part in ("metrics", "config", "cases"))
    if not (isinstance(metrics, dict) and isinstance(config, dict)):
        raise InputError("metrics and config", "missing", "two sections", where)
    rows = rows_of(cases, "case", columns, where)
    figures = {key: _column(value, NUMBER, key, where) for key, value in metrics.items()}
    return Report(name=name, metrics=figures, config=config, cases=rows)


def rows_of(found: Any, what: str, columns: Mapping[str, str], where: str) -> list[dict[str, Any]]:
    """The columns of each row of a table in a report; ``what`` a row is called.

    Raises:
      InputError: there are no rows, or a column is missing or of another kind.
    """
    if not (isinstance(found, list) and found):
        raise InputError(f"{what}s", "none", "a list of at least one", where)
    return [_row(row, what, columns, f"{where}, {what} {k}") for k, row in enumerate(found)]


def _row(case: Any, what: str, columns: Mapping[str, str], where: str) -> dict[str, Any]:
    if not isinstance(case, dict):
        raise InputError(what, case, "columns by their names", where)
    return {name: _column(case.get(name, ...), kind, name, where) for name, kind in columns.items()}


def _column(value: Any, kind: str, name: str, where: str) -> Any:
    number = lambda v: type(v) in (int, float) and math.isfinite(v)
    if kind == NUMBER and value is None:
        return math.nan
    if kind == NUMBER and number(value):
        return float(value)
    if kind == NUMBERS and isinstance(value, list) and all(map(number, value)):
        return value
    if kind == TEXT and isinstance(value, str) and value.isprintable():
        return value
    raise InputError(name, "missing" if value is ... else value, kind, where)


def device() -> str:
    """Kind of accelerator and how many there are; for a CPU the cores we may use."""
    devices = jax.devices()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = cores if devices[0].platform == "cpu" else len(devices)
    return f"{devices[0].platform}:{count}"


def write_json(path: Path, content: Any, field: str = "json") -> None:
    """Write whole or not at all: a temporary file beside ``path``, then a rename.

    Raises:
      InputError: the place cannot be written.
    """
    text = json.dumps(plain(content), indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(field, str(path), f"a file that can be written ({reason})") from error


def plain(value: Any) -> Any:
    """JSON without its traps: no NaN, no infinity (null instead), no NumPy."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, jax.Array)):
        return plain(np.asarray(value).tolist())
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return str(value)


def commit() -> str:
    """Of the checkout that this file lies in, with a mark if it has changes; or unknown."""
    root = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("astro-jax", "jax", "jaxlib", "numpy", "scipy", "optax"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
