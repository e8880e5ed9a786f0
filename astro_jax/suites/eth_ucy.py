"""Recorded pedestrians: the ETH/UCY text files as windows of positions .4 s apart.   [host]

In: a folder.  Out: one ``Scene`` per recorded place.  Two formats are read: ``frame id x y``
with 10 frames per .4 s, and ``*_obsmat_0p4s.txt``, ``frame id x y vx vy`` whose frames per
.4 s are the commonest step of the file.  Its velocities are left alone: they are differences
across the sample's own time and so would tell the forecast about the future.

Sources: Pellegrini et al., You'll never walk alone, 2009 (ETH, hotel); Lerner et al., Crowds
by example, 2007 (UCY, zara).  The protocol of 8 observed and 12 predicted samples is that of
Alahi et al., Social LSTM, 2016.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from astro_jax.errors import InputError

STEP = 0.4
"""Between samples, s."""
OBSERVED, PREDICTED = 8, 12
"""Samples of the standard protocol."""
_FRAMES = 10
"""Per step, in files that carry no velocities."""
_OBSMAT = "_obsmat_0p4s"
_PREFIXES = ("biwi_", "crowds_")
_MAX_BYTES = 32 * 1024 * 1024
_FARTHEST = 1e5
"""Coordinates beyond this (m) are no place on a square."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """One place: every person's positions, in pieces without a gap."""

    name: str
    file: str
    pieces: tuple[Float[np.ndarray, "S 2"], ...]
    """Positions (m) ``STEP`` apart, of one person each."""
    begins: tuple[float, ...] = ()
    """When each piece begins, in steps on the recording's own clock."""
    persons: tuple[int, ...] = ()
    """Whose piece it is, by the file's numbers."""

    def windows(self, length: int) -> Float[np.ndarray, "N length 2"]:
        """All runs of ``length`` samples, one beginning at every sample."""
        found = [
            piece[first : first + length]
            for piece in self.pieces
            for first in range(len(piece) - length + 1)
        ]
        return np.array(found).reshape(len(found), length, 2)


def load_scenes(folder: str | Path) -> list[Scene]:
    """The scenes in a folder (or in its subfolder ``eth_ucy``), by name.

    A place that is there twice is read once, from the file without velocities: what is held
    out must not be trained on under another name.

    Raises:
      InputError: no folder, no files, or what ``load_scene`` raises.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("data", str(folder), "an existing folder")
    inner = folder / "eth_ucy"
    folder = inner if inner.is_dir() else folder
    # plain files come later in this order and take the place of the others
    files = sorted(folder.glob("*.txt"), key=lambda path: (_OBSMAT not in path.stem, path.name))
    chosen: dict[str, Path] = {}
    for path in files:
        name = place(path)
        if name in chosen and (_OBSMAT in path.stem) == (_OBSMAT in chosen[name].stem):
            expected = f"one file of each format for a place ({chosen[name].name} is the other)"
            raise InputError("data", path.name, expected, str(folder))
        chosen[name] = path
    if not chosen:
        raise InputError("data", str(folder), "a folder with trajectory files (*.txt)")
    return [load_scene(chosen[name]) for name in sorted(chosen)]


def place(path: Path) -> str:
    """What the place is called whatever the file's format: ``biwi_hotel.txt`` is ``hotel``."""
    name = path.stem.lower().removesuffix(_OBSMAT)
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def load_scene(path: str | Path) -> Scene:
    """One file.

    Raises:
      InputError: unreadable, empty, or a line without the right number of finite numbers, with
        a frame or person that is no whole number, or a person twice in one frame.
    """
    path = Path(path)
    obsmat = _OBSMAT in path.stem
    rows = _rows(path, 6 if obsmat else 4)
    people: dict[int, dict[int, tuple[float, float]]] = {}
    for line, (frame, person, x, y, *_) in rows:
        where = f"{path}:{line}"
        of = people.setdefault(int(person), {})
        if int(frame) in of:
            raise InputError("frame", int(frame), f"person {int(person)} once in it", where)
        of[int(frame)] = (x, y)
    step = _commonest_step(people, path) if obsmat else _FRAMES
    pieces, begins, persons = [], [], []
    for person, of in people.items():
        frames = sorted(of)
        cuts = [k for k in range(1, len(frames)) if frames[k] - frames[k - 1] != step]
        for first, last in zip([0, *cuts], [*cuts, len(frames)], strict=True):
            pieces.append(np.array([of[frame] for frame in frames[first:last]]))
            begins.append(frames[first] / step)
            persons.append(person)
    return Scene(
        name=place(path),
        file=path.name,
        pieces=tuple(pieces),
        begins=tuple(begins),
        persons=tuple(persons),
    )


def _rows(path: Path, columns: int) -> list[tuple[int, list[float]]]:
    """Line numbers and values; whole frames and persons, finite places."""
    rows = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        where = f"{path}:{number}"
        if len(words) != columns:
            names = "frame id x y vx vy".split()[:columns]
            raise InputError("line", line.strip(), f"{columns} numbers ({' '.join(names)})", where)
        values = []
        for name, word in zip("frame id x y vx vy".split(), words, strict=False):
            try:
                value = float(word)
            except ValueError:
                raise InputError(name, word, "a number", where) from None
            bound = 1e15 if name in ("frame", "id") else _FARTHEST
            if not (math.isfinite(value) and abs(value) <= bound):
                raise InputError(name, word, f"a finite number within ± {bound:g}", where)
            if name in ("frame", "id") and value != int(value):
                raise InputError(name, word, "a whole number", where)
            values.append(value)
        rows.append((number, values))
    if not rows:
        raise InputError("file", "empty", f"lines of {columns} numbers", str(path))
    return rows


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        expected = f"a readable file ({error.strerror or error})"
        raise InputError("file", str(path), expected) from error
    if len(data) > _MAX_BYTES:
        raise InputError("file", "too large", f"at most {_MAX_BYTES} bytes", str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("encoding", "broken", "UTF-8 text", f"{path}:{line}") from None


def _commonest_step(people: dict[int, dict[int, tuple[float, float]]], path: Path) -> int:
    steps = np.concatenate([np.diff(sorted(of)) for of in people.values()])
    if not len(steps):
        raise InputError("file", "of single samples", "somebody seen twice", str(path))
    found, count = np.unique(steps, return_counts=True)
    return int(found[np.argmax(count)])
