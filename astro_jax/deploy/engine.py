"""What carries out an artifact's functions: XLA, which compiles them, or machine code. [host]"""

import dataclasses
import platform
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from astro_jax.deploy.arrays import Flat, Form, checked
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.manifest import REBUILD, Signature
from astro_jax.errors import InputError

Call = Callable[[Flat], dict[str, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """Functions that are ready: nothing is traced or compiled any more."""

    name: str
    calls: Mapping[str, Call]
    """On flat dictionaries of NumPy arrays, of what ``keep`` gave, or of their own outputs."""
    keep: Callable[[Flat], dict[str, Any]]
    """Arrays that are handed in again and again, where the functions take them from."""


def xla_engine(artifact: Artifact, where: str = "cpu") -> Engine:
    """Compiled here; read from JAX's persistent cache if one is in use.

    Raises:
      InputError: the artifact is not for this platform, or there is no such device.
    """
    # imported late: machine code needs no compiler
    from astro_jax.deploy.stablehlo import loaded

    manifest = artifact.manifest
    if where not in manifest.platforms:
        expected = f"one of {', '.join(manifest.platforms)}{REBUILD} --platform {where}"
        raise InputError("platform", where, expected, artifact.where)
    try:
        device = jax.devices(where)[0]
    except RuntimeError as error:
        expected = f"a device that is here ({_one_line(error)})"
        raise InputError("platform", where, expected, artifact.where) from None

    def compiled(item: tuple[str, Signature]) -> tuple[str, Call]:
        name, signature = item
        part = f"{where}/{name}.stablehlo"
        module = loaded(artifact.part(part), f"{artifact.where}, {part}")
        _check_signature(module, signature, part)
        shapes = {
            key: jax.ShapeDtypeStruct(
                kind.shape, kind.dtype, sharding=jax.sharding.SingleDeviceSharding(device)
            )
            for key, kind in signature.inputs.items()
        }
        try:
            call = jax.jit(module.call).lower(shapes).compile()
        except jax.errors.JaxRuntimeError as error:
            reason = f"not compiled ({_one_line(error)})"
            raise InputError(part, reason, "what XLA compiles", artifact.where) from None
        return name, lambda given: call(checked(signature.inputs, given))

    # the longest of them is read from the disk while the others are
    with ThreadPoolExecutor(len(manifest.functions)) as pool:
        calls = dict(pool.map(compiled, manifest.functions.items()))
    return Engine(
        name=f"xla on {where}",
        calls=calls,
        keep=lambda arrays: {name: jax.device_put(a, device) for name, a in arrays.items()},
    )


def _one_line(error: Exception) -> str:
    """How what XLA says begins: drivers that are missing are told of in paragraphs."""
    return " ".join(str(error).split())[:200]


def _check_signature(module: Any, signature: Signature, part: str) -> None:
    """Nothing, if the function takes and gives what the manifest says."""
    ((inputs,), _) = jax.tree.unflatten(module.in_tree, module.in_avals)
    outputs = jax.tree.unflatten(module.out_tree, module.out_avals)
    for found, form in ((inputs, signature.inputs), (outputs, signature.outputs)):
        _check_avals(found, form, part)


def _check_avals(found: Any, form: Form, part: str) -> None:
    if not isinstance(found, dict) or found.keys() != form.keys():
        raise InputError(part, "other arrays", "those of the manifest")
    for name, kind in form.items():
        shape, dtype = tuple(found[name].shape), found[name].dtype
        if (shape, dtype) != (kind.shape, kind.dtype):
            raise InputError(f"{part}, {name}", f"{dtype}{list(shape)}", f"{kind} (manifest)")


def this_target() -> str:
    """What machine code is called that runs here: ``x86_64-linux-gnu``."""
    return f"{platform.machine()}-{platform.system().lower()}-gnu"


def numpy_of(arrays: Flat) -> dict[str, np.ndarray]:
    """Arrays of any engine, on the host."""
    return {name: np.asarray(array) for name, array in arrays.items()}
