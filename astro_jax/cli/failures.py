"""Pictures of the episodes of a suite that failed: which, and where they go.          [host]"""

import dataclasses
import re
import tempfile
from pathlib import Path
from zlib import crc32

from astro_jax.cli.given import draw
from astro_jax.errors import InputError
from astro_jax.suites.case import Case, Row, Setup, Trace

LONGEST = 100
"""Characters of a case's name that go into that of a file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failures:
    """Draws an episode that failed into a folder; whichever process has driven it."""

    folder: Path

    def __call__(self, case: Case, setup: Setup, trace: Trace, row: Row) -> None:
        """One PNG, whole or not at all; nothing if the episode succeeded.

        Raises:
          InputError: the folder cannot be written any more.
        """
        if row["success"]:
            return
        from astro_jax.viz.failed import failed_figure

        suite, variant, named = (str(row[key]) for key in ("suite", "variant", "case"))
        name = picture_name(suite, variant, named, int(row["run"]))
        draw(failed_figure(case, setup, trace, row), self.folder / name, "plots", flat=True)


def failures_into(folder: Path) -> Failures:
    """What draws into this folder, which is made; to be asked for before anything is driven.

    Raises:
      InputError: it cannot be written, or nothing can be drawn here.
    """
    try:
        import astro_jax.viz.failed  # noqa: F401  (or the first failure would end the run)
    except ModuleNotFoundError as error:
        expected = f"no pictures without the extra viz (there is no {error.name})"
        raise InputError("plots", str(folder), expected) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        expected = f"a folder that can be written ({error.strerror})"
        raise InputError("plots", str(folder), expected) from error
    return Failures(folder=folder)


def picture_name(suite: str, variant: str, case: str, run: int) -> str:
    """``barn-lidar-237-0.png``; what no file name should hold is replaced, and told apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", case)[:LONGEST]
    if plain != case:
        plain += f"-{crc32(case.encode()):08x}"
    return f"{suite}-{variant}-{plain}-{run}.png"
