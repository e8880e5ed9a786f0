"""Where compiled functions are kept between starts, and whether that can be trusted. [host]

What lies there is run: machine code, unchecked.  The folder therefore has to belong to the user and
to nobody else, up to the root of the disk; anything else is refused, not mended.  It is of one
machine (what its processor can do) and one version of the compiler.
"""

import hashlib
import os
import platform
import stat
from importlib.metadata import version
from pathlib import Path

from astro_jax.errors import InputError


def own_cache(root: Path | None = None) -> Path:
    """The folder for this machine and this compiler, made if need be.

    Args:
      root: in which to have it; by default ``~/.cache/astro_jax``.

    Raises:
      InputError: the folder, what is in it, or what leads to it can be written by others.
    """
    root = Path.home() / ".cache" / "astro_jax" if root is None else root
    folder = root.absolute() / machine()
    try:
        _check_way(folder.parent)
        for path in (folder.parent, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_way(folder)
        for path in (folder.parent, folder, *folder.iterdir()):
            _check_own(path)
    except OSError as error:
        expected = f"a folder of this user ({error.strerror})"
        raise InputError("cache", str(folder), expected) from None
    return folder


def machine() -> str:
    """Of processor and compiler: what is compiled for one is not run on another."""
    kind = [platform.system(), platform.machine(), version("jaxlib"), *sorted(_features())]
    return hashlib.sha256("\n".join(kind).encode()).hexdigest()[:16]


def _features() -> set[str]:
    """What the processor can do, where the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {platform.processor()}
    wanted = ("flags", "Features", "model name", "CPU part")
    lines = (line.partition(":") for line in text.splitlines())
    return {value.strip() for name, _, value in lines if name.strip() in wanted}


def _check_way(folder: Path) -> None:
    """Nothing, if nobody else can put another folder in its place."""
    for path in folder.parents:
        if not path.exists():
            continue
        info = path.stat()
        others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if info.st_uid not in (0, os.getuid()) or (others and not info.st_mode & stat.S_ISVTX):
            raise InputError("cache", str(folder), f"no folder in {path}, which others can write")


def _check_own(path: Path) -> None:
    info = path.lstat()
    if not (stat.S_ISDIR(info.st_mode) or stat.S_ISREG(info.st_mode)):
        raise InputError("cache", str(path), "files and folders: it is a link, or something else")
    if info.st_uid != os.getuid():
        raise InputError("cache", str(path), f"its owner to be this user, not {info.st_uid}")
    others = (
        stat.S_IRWXG | stat.S_IRWXO if stat.S_ISDIR(info.st_mode) else stat.S_IWGRP | stat.S_IWOTH
    )
    if info.st_mode & others:
        expected = f"permissions of this user alone, not {stat.filemode(info.st_mode)}"
        raise InputError("cache", str(path), expected)


def use_cache(folder: Path) -> None:
    """From now on JAX keeps what it compiles in ``folder``, for this whole process.

    For programs, not for libraries: JAX has one cache.
    """
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()
    compilation_cache.set_cache_dir(str(folder))
