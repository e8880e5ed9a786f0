"""Params as a file that loads wherever a hand-made one does.                            [host]"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.archive import write_whole


def write_params(path: Path, params: PlannerParams, remarks: Sequence[str] = ()) -> None:
    """``params.yaml``: every param with seven digits, whole or not at all.

    Raises:
      InputError: a value out of its range, or a place that cannot be written.
    """
    write_whole(path, params_yaml(params, remarks).encode())


def params_yaml(params: PlannerParams, remarks: Sequence[str] = ()) -> str:
    """The section ``params`` as ``strict_yaml.load_planner`` reads it.

    Raises:
      InputError: a value that is not finite, or out of its range.
    """
    lines = [f"# {remark}" for remark in remarks] + ["params:"]
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        several = isinstance(value, tuple)
        numbers = [float(x) for x in value] if several else [float(value)]
        low, high = field.metadata["low"], field.metadata["high"]
        for number in numbers:
            # NaN is not within anything
            if not low <= number <= high:
                raise InputError(field.name, number, f"a number from {low:g} to {high:g}")
        shown = [_number(number) for number in numbers]
        lines.append(f"  {field.name}: {'[' + ', '.join(shown) + ']' if several else shown[0]}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    """As YAML reads a number: with a point in the mantissa and a sign in the exponent."""
    mantissa, _, exponent = f"{value:.7g}".partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{exponent}" if exponent else mantissa
