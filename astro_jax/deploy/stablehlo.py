"""Functions as StableHLO, by ``jax.export``: what is exported here runs on other machines. [host]

Names of files and lines are taken out, so that the same source gives the same bytes wherever it
lies; it halves them, too.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.mlir import ir, passmanager
from jax.extend.mlir.dialects import stablehlo

from astro_jax.deploy.arrays import Flat, Form
from astro_jax.errors import InputError

NO_FLATBUFFERS = "the package flatbuffers, which jax.export needs: pip install flatbuffers"


def exported(call: Callable[[Flat], dict[str, Any]], form: Form, platform: str) -> Any:
    """``jax.export.Exported`` of a function of a flat dictionary, for cpu, cuda or …

    No such device has to be present.
    """
    jax_export = exporter()
    arguments = {name: jax.ShapeDtypeStruct(kind.shape, kind.dtype) for name, kind in form.items()}
    # what is not used is kept: a function takes what its manifest says, on every machine
    jitted = jax.jit(call, keep_unused=True)
    found = jax_export.export(jitted, platforms=[platform])(arguments)
    return dataclasses.replace(found, mlir_module_serialized=_without_places(found))


def exporter() -> Any:
    """``jax.export``.

    Raises:
      InputError: the package that it needs is not installed.
    """
    try:
        import flatbuffers  # noqa: F401 (jax.export imports it, and says so less clearly)
        import jax.export
    except ModuleNotFoundError as error:
        raise InputError("import", str(error), NO_FLATBUFFERS) from None
    return jax.export


def rewritten(found: Any, change: Callable[[ir.Module], None]) -> str:
    """The module as MLIR text, after ``change``."""
    with _context() as context:
        module = stablehlo.deserialize_portable_artifact(context, found.mlir_module_serialized)
        change(module)
        return str(module)


def _without_places(found: Any) -> bytes:
    with _context() as context:
        module = stablehlo.deserialize_portable_artifact(context, found.mlir_module_serialized)
        strip = passmanager.PassManager.parse("builtin.module(strip-debuginfo)")
        strip.run(module.operation)
        return stablehlo.serialize_portable_artifact(module, _version())


def _version() -> str:
    """Of StableHLO, readable by what is four weeks older, as ``jax.export`` writes it."""
    wanted = stablehlo.StablehloCompatibilityRequirement.WEEK_4
    return stablehlo.get_version_from_compatibility_requirement(wanted)


def _context() -> ir.Context:
    context = ir.Context()
    stablehlo.register_dialect(context)
    return context


def loaded(data: bytes, where: str) -> Any:
    """``jax.export.Exported`` from bytes; runs nothing.

    Raises:
      InputError: they are none, or of another version.
    """
    try:
        return exporter().deserialize(bytearray(data))
    except InputError:
        raise
    except Exception as error:
        expected = f"a function of jax.export that jax {jax.__version__} reads"
        raise InputError("function", f"unreadable ({error})", expected, where) from None
