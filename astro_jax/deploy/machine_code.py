"""StableHLO to machine code, ahead of time, by IREE's compiler (extra ``iree``).    [host]

The code is for any processor of its kind, not for the one that compiled it: 64-bit x86 with AVX2
(x86-64-v3) or 64-bit Arm.  It needs no compiler on the robot, and neither JAX nor Python.
"""

from collections.abc import Sequence
from typing import Any

from astro_jax.deploy.stablehlo import loaded
from astro_jax.errors import InputError

PROCESSORS = {"x86_64-linux-gnu": "x86-64-v3", "aarch64-linux-gnu": "generic"}
"""By target triple, what LLVM calls the least that the processor has to be able to do."""
NO_COMPILER = "iree-base-compiler, which makes machine code: pip install 'astro-jax[iree]'"
FLAGS = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    # fused over several uses, a cycle of the planner became circular in its scheduling (3.13)
    "--iree-dispatch-creation-fuse-multi-use=false",
    "--iree-vm-bytecode-module-strip-source-map=true",
)


def machine_code(module: bytes, triple: str, where: str) -> bytes:
    """A ``.vmfb`` of one exported function; a minute passes for a cycle of the planner.

    Raises:
      InputError: the target is none of ``PROCESSORS``, the compiler is not installed, or it
        cannot compile the function.
    """
    check_triples([triple])
    compiler = _compiler()
    text = loaded(module, where).mlir_module()
    processor = [f"--iree-llvmcpu-target-{name}" for name in ("triple", "cpu")]
    arguments = [f"{processor[0]}={triple}", f"{processor[1]}={PROCESSORS[triple]}"]
    try:
        return compiler.compile_str(
            text,
            input_type="stablehlo",
            extra_args=[*FLAGS, *arguments],
            output_mlir_debuginfo=False,
        )
    except compiler.CompilerToolError as error:
        lines = [line for line in str(error).splitlines() if "error:" in line]
        reason = lines[0] if lines else "no reason given"
        raise InputError(where, f"not compiled ({reason[:200]})", "what IREE can compile") from None


def check_triples(triples: Sequence[str]) -> None:
    """Nothing, if they can be compiled for.

    Raises:
      InputError: they cannot.
    """
    for triple in triples:
        if triple not in PROCESSORS:
            raise InputError("triple", triple, f"one of {', '.join(PROCESSORS)}")
    _compiler()


def _compiler() -> Any:
    try:
        import iree.compiler
    except ModuleNotFoundError as error:
        raise InputError("import", str(error), NO_COMPILER) from None
    return iree.compiler
