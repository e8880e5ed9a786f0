"""What the commands share: configuration as it was given, checks, pictures.       [host]"""

import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from astro_jax.config import (
    DEFAULT_PLANNER,
    DEFAULT_ROBOT,
    PlannerConfig,
    PlannerParams,
    RobotConfig,
)
from astro_jax.errors import InputError
from astro_jax.learning.archive import write_whole
from astro_jax.strict_yaml import load_planner, load_robot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PICTURES = (".png", ".svg", ".pdf")


def draw(
    figure: "Figure",
    path: Path,
    field: str = "plot",
    dpi: float | None = None,
    flat: bool = False,
) -> None:
    """Save it, whole or not at all; an InputError for ``field`` if that cannot be.

    Fonts go into a PDF as outlines that journals take, and the same figure is the same file.  A
    ``flat`` PNG has 256 colours, chosen for it, and a third of the size.
    """
    from matplotlib import rc_context

    form = path.suffix.lower()
    if form not in PICTURES:
        raise InputError(field, str(path), f"a picture file ({', '.join(PICTURES)})")
    made = io.BytesIO()
    # what would be the date of the drawing
    undated = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[form]
    with rc_context({"pdf.fonttype": 42, "svg.hashsalt": "astro_jax"}):
        figure.savefig(made, format=form[1:], dpi=dpi or "figure", metadata=undated)
    if flat and form == ".png":
        made = _flattened(made)
    write_whole(path, made.getvalue(), field)


def _flattened(png: io.BytesIO) -> io.BytesIO:
    from PIL import Image

    made = io.BytesIO()
    with Image.open(png) as picture:
        plain, cover, exact = picture.convert("RGB"), Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
        plain.quantize(256, cover, kmeans=4, dither=exact).save(made, "png", optimize=True)
    return made


def check_from(field: str, value: int, low: int) -> None:
    """An InputError unless ``value`` is at least ``low``."""
    if value < low:
        raise InputError(field, value, f"a number from {low}")


def check_writable(folder: Path, field: str) -> None:
    """Fail before the work rather than after it; what is made to try it is gone again.

    Raises:
      InputError: the folder, named by ``field``, cannot be made or written to.
    """
    missing = [one for one in (folder, *folder.parents) if not os.path.exists(one)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # asking for permission is not enough: root has it even on a disk mounted read-only
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
            pass
    except OSError as error:
        expected = f"a folder that can be written ({error.strerror or error})"
        raise InputError(field, str(folder), expected) from error
    finally:
        for one in missing:
            with suppress(OSError):
                one.rmdir()


def configuration(
    robot: Path | None, planner: Path | None
) -> tuple[RobotConfig, PlannerConfig, PlannerParams]:
    """Robot, planner and params of the files, or the defaults; an InputError if unusable."""
    chosen = DEFAULT_ROBOT if robot is None else load_robot(robot)
    if planner is None:
        for field, value, expected in DEFAULT_PLANNER.problems(chosen):
            raise InputError(field, value, expected, str(robot))
        return chosen, DEFAULT_PLANNER, PlannerParams()
    return chosen, *load_planner(planner, chosen)


def data_folder(given: Path | None) -> str | Path:
    """The folder that was given, or that ASTRO_JAX_DATA names; an InputError if none is."""
    folder = given or os.environ.get("ASTRO_JAX_DATA")
    if not folder:
        raise InputError("data", "missing", "a folder, or one that ASTRO_JAX_DATA names")
    return folder
