"""What is in an artifact, who made it, and whether it can run here.                 [host]

Its functions keep their meaning (StableHLO is compatible for years), but what they take is the
package's own: artifact and package must be of one version.  An older JAX than the one that wrote
an artifact does not know how to read it.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from astro_jax import __version__
from astro_jax.deploy.arrays import MOST_BYTES, TYPES, Kind
from astro_jax.deploy.settings import load_json
from astro_jax.errors import InputError

FORMAT = 1
MANIFEST = "manifest.json"
REBUILD = "; make it anew: astro-jax export --out FILE.astro"
MOST_ARRAYS, MOST_AXES, LONGEST_NAME = 1000, 6, 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """What a function takes and gives."""

    inputs: Mapping[str, Kind]
    outputs: Mapping[str, Kind]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """The first part of every artifact."""

    package: str
    """Version of astro_jax."""
    jax: str
    platforms: tuple[str, ...]
    """For which there is StableHLO."""
    targets: tuple[str, ...]
    """For which there is machine code."""
    house: tuple[int, int]
    """Rows and columns that there is room for."""
    functions: Mapping[str, Signature]
    parts: Mapping[str, tuple[int, str]]
    """Bytes and SHA-256 of every other part."""


def described(parts: Mapping[str, bytes]) -> dict[str, tuple[int, str]]:
    """Bytes and SHA-256 of parts."""
    return {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in parts.items()}


def manifest_to_json(manifest: Manifest) -> bytes:
    """As it is written."""

    def listed(form: Mapping[str, Kind]) -> list[list[Any]]:
        return [[name, kind.type, list(kind.shape)] for name, kind in form.items()]

    document = {
        "format": FORMAT,
        **{name: getattr(manifest, name) for name in ("package", "jax", "platforms", "targets")},
        "house": manifest.house,
        "functions": {
            name: {"inputs": listed(function.inputs), "outputs": listed(function.outputs)}
            for name, function in manifest.functions.items()
        },
        "parts": {
            name: {"bytes": size, "sha256": digest}
            for name, (size, digest) in manifest.parts.items()
        },
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def manifest_from_json(data: bytes, where: str) -> Manifest:
    """The manifest of ``manifest_to_json``.

    Raises:
      InputError: something is missing, too much, of a wrong type, or larger than an artifact's
        can be: no array is allocated that the manifest forges.
    """
    document = load_json(data, where)
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT or isinstance(found, bool):
        raise InputError("format", found, f"{FORMAT}{REBUILD}", where)
    names = {field.name for field in dataclasses.fields(Manifest)} | {"format"}
    if document.keys() != names:
        raise InputError("manifest", sorted(document), f"the entries {sorted(names)}", where)
    try:
        return Manifest(
            package=_text(document["package"]),
            jax=_text(document["jax"]),
            platforms=tuple(_text(name) for name in _list(document["platforms"])),
            targets=tuple(_text(name) for name in _list(document["targets"])),
            house=_house(document["house"]),
            functions={
                _text(name): Signature(inputs=_form(both["inputs"]), outputs=_form(both["outputs"]))
                for name, both in document["functions"].items()
            },
            parts={
                _text(name): (_count(part["bytes"]), _text(part["sha256"]))
                for name, part in document["parts"].items()
            },
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError("manifest", f"malformed ({error})", "one from export", where) from None


def check_here(manifest: Manifest, jax: str, where: str) -> None:
    """Nothing, if this installation can run the artifact.

    Raises:
      InputError: it is of another version of the package, or of a newer JAX.
    """
    if manifest.package != __version__:
        expected = f"{__version__}, as is installed{REBUILD}"
        raise InputError("version of astro_jax", manifest.package, expected, where)
    if _release(manifest.jax) > _release(jax):
        expected = f"at most {jax}, as is installed{REBUILD}"
        raise InputError("version of jax", manifest.jax, expected, where)


def _release(version: str) -> tuple[int, ...]:
    digits = version.split("+")[0].split(".")[:3]
    return tuple(int(part) if part.isdigit() else 0 for part in digits)


def _text(value: Any) -> str:
    if not (isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST_NAME):
        raise TypeError(f"{str(value)[:LONGEST_NAME]!r} is no name")
    return value


def _list(value: Any) -> list[Any]:
    if not (isinstance(value, list) and len(value) <= MOST_ARRAYS):
        raise TypeError("no list, or a long one")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_BYTES:
        raise TypeError(f"{str(value)[:LONGEST_NAME]} is no size")
    return value


def _house(value: Any) -> tuple[int, int]:
    rows, columns = (_count(size) for size in _list(value))
    return rows, columns


def _form(value: Any) -> dict[str, Kind]:
    form = {}
    for name, kind, shape in _list(value):
        if kind not in TYPES:
            raise TypeError(f"{str(kind)[:LONGEST_NAME]!r} is not one of {', '.join(TYPES)}")
        if len(_list(shape)) > MOST_AXES:
            raise TypeError(f"{name} has more than {MOST_AXES} axes")
        form[_text(name)] = Kind(type=kind, shape=tuple(_count(size) for size in shape))
    if list(form) != sorted(form) or len(form) < len(value):
        raise TypeError("arrays twice, or out of order")
    if sum(kind.bytes for kind in form.values()) > MOST_BYTES:
        raise TypeError(f"arrays of more than {MOST_BYTES} bytes")
    return form
