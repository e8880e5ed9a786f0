"""What every process of a robot begins with: artifact, engine, wire, black box.      [host]"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.black_box import BlackBox, recorded
from astro_jax.deploy.cache import own_cache, use_cache
from astro_jax.deploy.engine import Engine
from astro_jax.deploy.load import engine_of
from astro_jax.errors import InputError
from astro_jax.process.folder import WIRE, Start
from astro_jax.wire.loopback import Loopback
from astro_jax.wire.topics import Topic, Wire

WIRES = ("loopback", "dds")


def engine_for(start: Start, artifact: Artifact, functions: Iterable[str]) -> Engine:
    """An engine that has only these functions of the artifact: each process compiles its own."""
    use_cache(own_cache(None if start.cache is None else Path(start.cache)))
    wanted = {name: artifact.manifest.functions[name] for name in functions}
    manifest = dataclasses.replace(artifact.manifest, functions=wanted)
    return engine_of(dataclasses.replace(artifact, manifest=manifest), start.engine)


def boxed(
    start: Start, role: str, artifact: Artifact, engine: Engine
) -> tuple[Engine, BlackBox | None]:
    """The engine, and the box that its calls go to, if there is to be a log.

    Raises:
      StorageError: the folder cannot be written.
    """
    if start.log is None:
        return engine, None
    box = BlackBox(Path(start.log) / role, artifact, engine.name)
    return recorded(engine, box), box


def artifact_of(start: Start) -> Artifact:
    """The one that this robot was started with."""
    return read_artifact(Path(start.artifact))


def joined(
    kind: str, folder: Path, listens: Iterable[Topic], domain: int = 0, interface: str = "lo"
) -> Wire:
    """A place on the wire.

    Raises:
      InputError: there is no such wire, or what it needs is not installed.
    """
    if kind == "loopback":
        return Loopback(folder / WIRE, listens)
    if kind == "dds":
        from astro_jax.wire.dds import Dds

        return Dds(listens, domain, interface)
    raise InputError("wire", kind, f"one of {', '.join(WIRES)}")
