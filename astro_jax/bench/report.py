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
