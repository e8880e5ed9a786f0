"""StableHLO to machine code, ahead of time, by IREE's compiler (extra ``iree``).    [host]

The code is for any processor of its kind, not for the one that compiled it: 64-bit x86 with AVX2
(x86-64-v3) or 64-bit Arm.  It needs no compiler on the robot, and neither JAX nor Python.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo

from astro_jax.deploy.stablehlo import loaded, rewritten
from astro_jax.errors import InputError

PROCESSORS = {"x86_64-linux-gnu": "x86-64-v3", "aarch64-linux-gnu": "generic"}
"""By target triple, what LLVM calls the least that the processor has to be able to do."""
NO_COMPILER = "iree-base-compiler, which makes machine code: pip install 'astro-jax[iree]'"
NAME = "astro"
"""Of every module; its function is ``main``."""
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
    text = rewritten(loaded(module, where), _prepare)
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


def _prepare(module: ir.Module) -> None:
    module.operation.attributes["sym_name"] = ir.StringAttr.get(NAME)
    _saturate(module)
    _clamp(module)
    _copy_what_is_looked_up(module)


def _saturate(module: ir.Module) -> None:
    """No number that is out of an integer's range, or none at all, is converted to one.

    XLA makes 0 of NaN and the nearest integer of the rest.  LLVM may make anything of it and counts
    on its not happening: what then bounds an index is left out, and the index leads anywhere.
    """
    for operation in [*_operations(module.operation)]:
        if operation.name != "stablehlo.convert":
            continue
        value, into = operation.operands[0], ir.RankedTensorType(operation.result.type)
        of = ir.RankedTensorType(value.type)
        if not (
            isinstance(of.element_type, ir.F32Type)
            and isinstance(into.element_type, ir.IntegerType)
        ):
            continue
        if into.element_type.width == 1:
            continue
        low, high = _bounds(into.element_type)
        after = ir.InsertionPoint.after(operation)
        with ir.InsertionPoint(operation), ir.Location.unknown():
            ordered = stablehlo.compare(value, value, _direction("EQ"))
            number = stablehlo.select(ordered, value, _splat(of, 0.0))
            # the greatest float32 within the integers; what is beyond it becomes the greatest below
            bounded = stablehlo.clamp(_splat(of, low), number, _splat(of, high * (1.0 - 2.0**-24)))
            operation.operands[0] = bounded
        with after, ir.Location.unknown():
            beyond = stablehlo.compare(value, _splat(of, high), _direction("GE"))
            chosen = stablehlo.select(beyond, _splat(into, int(high) - 1), operation.result)
            operation.result.replace_all_uses_except(chosen, chosen.owner.operation)


def _clamp(module: ir.Module) -> None:
    """No gather reads beyond its operand, as StableHLO has it; IREE's reads on."""
    for operation in [*_operations(module.operation)]:
        if operation.name != "stablehlo.gather":
            continue
        indices = operation.operands[1]
        kind = ir.RankedTensorType(indices.type)
        shape = ir.RankedTensorType(operation.operands[0].type).shape
        numbers = stablehlo.GatherDimensionNumbers(operation.attributes["dimension_numbers"])
        sizes = [*ir.DenseI64ArrayAttr(operation.attributes["slice_sizes"])]
        last = [shape[axis] - sizes[axis] for axis in numbers.start_index_map]
        # one index after the other along this axis, or a single one that has no axis
        along = [1] * len(kind.shape)
        if numbers.index_vector_dim < len(along):
            along[numbers.index_vector_dim] = len(last)
        unsigned = ir.IntegerType(kind.element_type).is_unsigned
        dtype = np.uint32 if unsigned else np.int32
        bounds = np.broadcast_to(np.reshape(np.array(last, dtype), along), kind.shape)
        with ir.InsertionPoint(operation), ir.Location.unknown():
            values: Any = np.ascontiguousarray(bounds)
            high = stablehlo.constant(ir.DenseElementsAttr.get(values, signless=not unsigned))
            operation.operands[1] = stablehlo.clamp(_splat(kind, 0), indices, high)


def _copy_what_is_looked_up(module: ir.Module) -> None:
    """What a function inside looks up in its arguments is made before it is called, by itself.

    Called with a column of an array, as ``interp`` is, IREE (3.13) would read that in its place at
    indices that it has computed, which it does not translate: "unrealized_conversion_cast".
    """
    for operation in [*_operations(module.operation)]:
        if operation.name != "stablehlo.gather":
            continue
        table = operation.operands[0]
        block = table.owner
        if isinstance(block, ir.Block) and _is_called(block.owner):
            with ir.InsertionPoint(operation), ir.Location.unknown():
                operation.operands[0] = stablehlo.optimization_barrier([table])


def _is_called(owner: Any) -> bool:
    """Whether it is a function, and not the one that is exported."""
    attributes = owner.attributes
    return "sym_name" in attributes and ir.StringAttr(attributes["sym_name"]).value != "main"


def _direction(name: str) -> Any:
    return stablehlo.ComparisonDirectionAttr.get(name)


def _bounds(kind: ir.IntegerType) -> tuple[float, float]:
    """Least integer of a type, and one more than the greatest."""
    if kind.is_unsigned:
        return 0.0, 2.0**kind.width
    return -(2.0 ** (kind.width - 1)), 2.0 ** (kind.width - 1)


def _splat(kind: ir.RankedTensorType, value: float) -> Any:
    attribute = ir.IntegerAttr if isinstance(value, int) else ir.FloatAttr
    number = attribute.get(kind.element_type, value)
    return stablehlo.constant(ir.DenseElementsAttr.get_splat(kind, number))


def _operations(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region:
            for inner in block:
                yield inner.operation
                yield from _operations(inner.operation)


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
        import iree.compiler  # pyright: ignore[reportMissingImports]  (an extra)
    except ModuleNotFoundError as error:
        raise InputError("import", str(error), NO_COMPILER) from None
    return iree.compiler
