"""Make an artifact: one robot, one planner, a file.                                 [host]"""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from astro_jax import __version__
from astro_jax.deploy.arrays import flat, form_of, to_bytes
from astro_jax.deploy.artifact import SETTINGS, write_artifact
from astro_jax.deploy.functions import functions
from astro_jax.deploy.golden import ROOM, golden_cycle
from astro_jax.deploy.machine_code import check_triples, machine_code
from astro_jax.deploy.manifest import Manifest, Signature
from astro_jax.deploy.settings import Settings, settings_from_json, settings_to_json
from astro_jax.deploy.stablehlo import exported
from astro_jax.errors import InputError

PLATFORMS = ("cpu", "cuda")
LARGEST_HOUSE = 2000
"""Cells along either side."""


def export_artifact(
    path: Path,
    settings: Settings,
    *,
    platforms: Sequence[str] = ("cpu",),
    triples: Sequence[str] = (),
    house: tuple[int, int] = (480, 480),
) -> int:
    """Export, run the golden cycle here, and write both; the artifact's size in bytes.

    Args:
      path: where to write it.
      settings: of the robot and its planner.
      platforms: of ``PLATFORMS``, to be compiled for on the robot.  Their devices need not be
        here.
      triples: of ``machine_code.PROCESSORS``, to be compiled for here and now.
      house: rows and columns of the largest house map that it is to drive on.

    Raises:
      InputError: a setting makes no sense, or the place cannot be written.
    """
    written = settings_to_json(settings)
    settings = settings_from_json(written, str(path))
    _check_platforms(platforms)
    _check_house(house)
    if triples:
        check_triples(triples)
    made = functions(settings, house)
    forms = {
        name: Signature(
            inputs=form_of(given := jax.eval_shape(flat, function.inputs)),
            outputs=form_of(jax.eval_shape(function.call, given)),
        )
        for name, function in made.items()
    }
    parts = {SETTINGS: written}
    calls = {}
    for platform in platforms:
        for name, function in made.items():
            module = exported(function.call, forms[name].inputs, platform)
            parts[f"{platform}/{name}.stablehlo"] = bytes(module.serialize())
            if platform == "cpu":
                calls[name] = jax.jit(module.call)
    for triple in triples:
        for name in made:
            part = f"cpu/{name}.stablehlo"
            parts[f"{triple}/{name}.vmfb"] = machine_code(parts[part], triple, part)
    for name, call in golden_cycle(settings, calls, house).items():
        outputs = {key: np.asarray(value) for key, value in call.outputs.items()}
        parts[f"golden/{name}.inputs"] = to_bytes(forms[name].inputs, call.inputs)
        parts[f"golden/{name}.outputs"] = to_bytes(forms[name].outputs, outputs)
    manifest = Manifest(
        package=__version__,
        jax=jax.__version__,
        platforms=tuple(platforms),
        targets=tuple(triples),
        house=house,
        functions=forms,
        parts={},
    )
    return write_artifact(path, manifest, parts)


def _check_platforms(platforms: Sequence[str]) -> None:
    if not set(platforms) <= set(PLATFORMS) or "cpu" not in platforms:
        # the golden cycle is driven on a CPU, which every robot has
        raise InputError("platform", list(platforms), "cpu, or cpu and cuda")


def _check_house(house: tuple[int, int]) -> None:
    least = (ROOM[1], ROOM[0])
    if not all(low <= size <= LARGEST_HOUSE for low, size in zip(least, house, strict=True)):
        expected = f"rows from {least[0]} and columns from {least[1]}, up to {LARGEST_HOUSE}"
        raise InputError("house", list(house), expected)
