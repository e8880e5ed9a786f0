"""An artifact: a planner for one robot in a file, with all that is needed to trust it.  [host]

    manifest.json                     what is in it (deploy/manifest.py)
    settings.json                     robot, planner, weights, delays (deploy/settings.py)
    golden/FUNCTION.inputs, .outputs  one cycle, written down (deploy/golden.py)
    PLATFORM/FUNCTION.stablehlo       the functions, to be compiled on the robot
    TARGET/FUNCTION.vmfb              the functions, compiled ahead of time (deploy/iree.py)

Nothing in it is pickled, and reading it runs nothing.  *Calling* it runs what it says: an artifact
is a program.  Its hashes tell damage from health, not friend from foe.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from astro_jax.deploy.archive import packed, read_file, unpacked, write_file
from astro_jax.deploy.arrays import from_bytes
from astro_jax.deploy.manifest import (
    MANIFEST,
    Manifest,
    check_here,
    described,
    manifest_from_json,
    manifest_to_json,
)
from astro_jax.deploy.settings import Settings, settings_from_json
from astro_jax.errors import InputError

SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Artifact:
    """What has been read, or is to be written."""

    manifest: Manifest
    settings: Settings
    parts: Mapping[str, bytes]
    where: str
    """The file."""

    def part(self, name: str) -> bytes:
        """One of its parts.

        Raises:
          InputError: there is none of that name.
        """
        if name not in self.parts:
            raise InputError("part", name, f"one of {', '.join(self.parts)}", self.where)
        return self.parts[name]

    def golden(self, function: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Inputs and outputs of one call, as they were on the machine that made the artifact."""
        signature = self.manifest.functions[function]
        found = []
        for kind, form in (("inputs", signature.inputs), ("outputs", signature.outputs)):
            name = f"golden/{function}.{kind}"
            found.append(from_bytes(form, self.part(name), f"{self.where}, {name}"))
        return found[0], found[1]


def write_artifact(path: Path, manifest: Manifest, parts: Mapping[str, bytes]) -> int:
    """Write it whole or not at all; its size in bytes.

    Raises:
      InputError: the place cannot be written.
    """
    manifest = dataclasses.replace(manifest, parts=described(parts))
    data = packed({MANIFEST: manifest_to_json(manifest), **parts})
    write_file(path, data)
    return len(data)


def read_artifact(path: Path) -> Artifact:
    """Read an artifact and check everything that can be checked without running it.

    Raises:
      InputError: it is damaged, of another version, or not what its manifest says.
    """
    where = str(path)
    parts = unpacked(read_file(path), where)
    if MANIFEST not in parts:
        raise InputError("part", "no manifest", "an artifact from export", where)
    manifest = manifest_from_json(parts.pop(MANIFEST), f"{where}, {MANIFEST}")
    check_here(manifest, jax.__version__, where)
    found = described(parts)
    for name in found | dict(manifest.parts):
        if found.get(name) != manifest.parts.get(name):
            expected = f"{manifest.parts.get(name)} as the manifest says (bytes, SHA-256)"
            raise InputError(f"part {name}", found.get(name), expected, where)
    for name in [SETTINGS, *(f"golden/{name}.inputs" for name in manifest.functions)]:
        if name not in parts:
            raise InputError("part", f"no {name}", "an artifact from export", where)
    settings = settings_from_json(parts[SETTINGS], f"{where}, {SETTINGS}")
    return Artifact(manifest=manifest, settings=settings, parts=parts, where=where)
