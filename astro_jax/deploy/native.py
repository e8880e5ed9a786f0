"""An artifact's machine code, run by IREE's runtime (extra ``iree``): ready in milliseconds. [host]

One thread computes, in the thread that calls: a planner and a gate in two processes share two cores
without getting in each other's way.
"""

from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.deploy.arrays import Flat, checked
from astro_jax.deploy.artifact import Artifact
from astro_jax.deploy.engine import Call, Engine, this_target
from astro_jax.deploy.manifest import REBUILD, Signature
from astro_jax.errors import InputError

NO_RUNTIME = "iree-base-runtime, which runs machine code: pip install 'astro-jax[iree]'"
NEEDED = frozenset("avx2 fma bmi1 bmi2 f16c movbe abm".split())
"""Of a 64-bit x86 processor (x86-64-v3, as Linux spells it); others have all that is used."""


def native_engine(artifact: Artifact) -> Engine:
    """The artifact's machine code for this machine.

    Raises:
      InputError: there is none, the processor lacks what it uses, IREE's runtime is missing or
        does not read it.
    """
    target, targets = this_target(), artifact.manifest.targets
    if target not in targets:
        expected = f"one of {list(targets)}{REBUILD} --target iree"
        raise InputError("engine", f"native on {target}", expected, artifact.where)
    _check_processor(target)
    runtime = _runtime()
    config = runtime.Config("local-sync")
    calls = {}
    for name, signature in artifact.manifest.functions.items():
        part = f"{target}/{name}.vmfb"
        try:
            module = runtime.VmModule.copy_buffer(config.vm_instance, artifact.part(part))
            context = runtime.SystemContext(config=config)
            context.add_vm_module(module)
            main = context.modules[module.name]["main"]
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0][:200]
            expected = f"machine code that IREE's runtime here reads{REBUILD} --target iree"
            raise InputError(part, f"not loaded ({reason})", expected, artifact.where) from None
        calls[name] = _call(main, signature)

    def keep(arrays: Flat) -> dict[str, Any]:
        return {
            name: runtime.asdevicearray(config.device, np.asarray(array))
            for name, array in arrays.items()
        }

    return Engine(name=f"machine code on {target}", calls=calls, keep=keep)


def _call(main: Any, signature: Signature) -> Call:
    inputs, outputs = signature.inputs, signature.outputs

    def call(given: Flat) -> dict[str, Any]:
        arrays = checked(inputs, given).values()
        # a function of one result does not give a list of it
        found = main(*arrays)
        found = [found] if len(outputs) == 1 else found
        return {
            # a copy: the memory goes back with the device's array, whoever still looks at it
            name: np.array(array.to_host()).astype(kind.dtype).reshape(kind.shape)
            for (name, kind), array in zip(outputs.items(), found, strict=True)
        }

    return call


def _runtime() -> Any:
    try:
        import iree.runtime  # pyright: ignore[reportMissingImports]  (an extra)
    except ModuleNotFoundError as error:
        raise InputError("import", str(error), NO_RUNTIME) from None
    return iree.runtime


def _check_processor(target: str) -> None:
    """Nothing, if the processor has what the code uses: otherwise it would die of it."""
    if not target.startswith("x86_64"):
        return
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set(NEEDED))
    if not flags >= NEEDED:
        raise InputError("processor", sorted(NEEDED - flags), "one that has these (x86-64-v3)")
