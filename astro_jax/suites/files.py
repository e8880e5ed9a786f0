"""Read the suites' archives of arrays: what is not as described is refused by name.     [host]"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from astro_jax.errors import InputError

MOST_BYTES = 256 << 20


def inner(folder: Path, name: str) -> Path:
    """The suite's own folder: ``name`` within ``folder``, or ``folder`` itself."""
    return folder / name if (folder / name).is_dir() else folder


def arrays_of(path: Path, expected: Sequence[tuple[str, int]]) -> dict[str, np.ndarray]:
    """The arrays of an npz file: (name, number of axes) of those that have to be there.

    Raises:
      InputError: no file, no archive of plain arrays, an array that is missing, has other axes,
        is not of numbers or not finite.
    """
    if not path.is_file():
        raise InputError("data", str(path), "an existing file")
    if path.stat().st_size > MOST_BYTES:
        raise InputError("data", str(path), f"a file of at most {MOST_BYTES >> 20} MiB")
    try:
        # np.load leaves a file open that it cannot read, unless it is given an open one
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            held = {name: archive[name] for name, _ in expected if name in archive}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError("data", str(path), f"an npz archive of arrays ({error})") from error
    for name, axes in expected:
        if name not in held:
            raise InputError(name, "missing", "an array", str(path))
        if held[name].ndim != axes:
            raise InputError(name, held[name].shape, f"{axes} axes", str(path))
        if held[name].dtype.kind not in "iuf" or not np.isfinite(held[name]).all():
            raise InputError(name, str(held[name].dtype), "finite numbers", str(path))
    return held
