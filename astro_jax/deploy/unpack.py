"""Machine code and golden cycle as plain files, for a robot without Python.          [host]

Per function: ``NAME.vmfb``, ``NAME.inputs`` and ``NAME.outputs`` (the arrays' bytes one after the
other), and ``NAME.arrays``, a line for each of them in that order:

    in|out  f32|i32|u32|bool  same|near|any  RANK SIZE…  NAME

``same`` and ``near`` say how an output is held against the golden one (deploy/check.py);
``deploy/native`` has a program in C that does so.
"""

from collections.abc import Mapping
from pathlib import Path

from astro_jax.deploy.archive import write_file
from astro_jax.deploy.arrays import Kind
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.check import CHOSEN, DECISION, STATUS
from astro_jax.deploy.manifest import REBUILD
from astro_jax.errors import InputError


def unpack_native(artifact: Artifact, triple: str, folder: Path) -> list[Path]:
    """Write them; the files written.

    Raises:
      InputError: there is no machine code for ``triple``, or the folder cannot be written.
    """
    if triple not in artifact.manifest.targets:
        expected = f"one of {list(artifact.manifest.targets)}{REBUILD} --target iree"
        raise InputError("triple", triple, expected, artifact.where)
    written = []
    for name, signature in artifact.manifest.functions.items():
        lines = _lines("in", signature.inputs) + _lines("out", signature.outputs)
        files = {
            f"{name}.vmfb": artifact.part(f"{triple}/{name}.vmfb"),
            f"{name}.inputs": artifact.part(f"golden/{name}.inputs"),
            f"{name}.outputs": artifact.part(f"golden/{name}.outputs"),
            f"{name}.arrays": "".join(lines).encode(),
        }
        for file, data in files.items():
            write_file(folder / file, data)
            written.append(folder / file)
    return written


def _lines(way: str, form: Mapping[str, Kind]) -> list[str]:
    return [
        " ".join([way, kind.type, _held(name), str(len(kind.shape)), *map(str, kind.shape), name])
        + "\n"
        for name, kind in form.items()
    ]


def _held(name: str) -> str:
    if name in DECISION:
        return "near"
    return "any" if name.startswith(CHOSEN) and name != STATUS else "same"
