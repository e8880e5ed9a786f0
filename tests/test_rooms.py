"""The package is a staircase: a file imports only from rooms above it, and starts nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "astro_jax"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

ROOMS: list[str] = [
    *"types errors config strict_yaml geometry products robot world route local".split(),
    *"reactive body navigator known tasks sim scenes home suites learning".split(),
    *"sweep deploy wire process viz play bench demo demo_follow".split(),
    "tables",
    "cli",
    "__init__",
]
CEILING = {"scenes": "route"}
"""Rooms that must do with less than everything above them: the last one they may use."""
EDGE = {"bench", "cli"}
"""Where the process meets the user: may read the environment (ASTRO_JAX_DATA)."""
COMPILERS = {"jax.jit", "jax.pjit", "jax.pmap", "jax.experimental.pjit.pjit"}


def room_of(file: Path) -> str:
    return file.parts[0].removesuffix(".py")


def names(tree: ast.AST) -> dict[str, str]:
    """What the imported names of a file stand for: ``{"jnp": "jax.numpy"}``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
                else:
                    found[alias.name.split(".")[0]] = alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def dotted(node: ast.AST, known: dict[str, str]) -> str:
    """``"jax.numpy.sin"`` for ``jnp.sin``; empty for anything but a chain of names."""
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, known)
        return f"{base}.{node.attr}" if base else ""
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def import_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are evaluated when the file is imported."""
    yield node
    for name, value in ast.iter_fields(node):
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if function and name == "body":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from import_time(child)


def rooms_used(tree: ast.AST) -> set[str]:
    """Rooms that a file imports from; an empty name stands for the package itself."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: relative import"
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for path in paths:
            package, _, rest = path.partition(".")
            if package == "astro_jax" and rest != "__version__":
                first = rest.split(".")[0]
                found.add(first if first in ROOMS else "")
    return found


def wrong_imports(room: str, source: str) -> set[str]:
    if room == "__init__":
        return set()
    top = ROOMS.index(CEILING.get(room, room))
    return rooms_used(ast.parse(source)) - set(ROOMS[: top + 1]) - {room}


def side_effects(room: str, source: str) -> set[str]:
    tree = ast.parse(source)
    known = names(tree)
    used = {dotted(node, known) for node in ast.walk(tree)} | set(known.values())
    at_import = {dotted(node, known) for node in import_time(tree)}
    environment = {"os.environ", "os.getenv", "os.putenv", "os.unsetenv"}
    return (
        (at_import & COMPILERS)
        | (used & {"jax.config"})
        | (used & environment if room not in EDGE else set())
    )


def test_every_file_has_a_room():
    assert {room_of(file) for file in FILES} <= {*ROOMS, "__init__"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_only_from_rooms_above(file):
    assert wrong_imports(room_of(file), (PACKAGE / file).read_text()) == set()


@pytest.mark.parametrize("file", FILES, ids=str)
def test_importing_compiles_and_configures_nothing(file):
    assert side_effects(room_of(file), (PACKAGE / file).read_text()) == set()


@pytest.mark.parametrize(
    ("room", "source", "wrong"),
    [
        ("world", "from astro_jax.geometry import norm", set()),
        ("world", "from astro_jax.world.grid import cast", set()),
        ("world", "from astro_jax.local.risk import hit", {"local"}),
        ("world", "def f():\n    import astro_jax.local.risk as r", {"local"}),
        ("world", "from astro_jax import local", {"local"}),
        ("world", "from astro_jax import plan", {""}),
        ("world", "from astro_jax import __version__", set()),
        ("scenes", "from astro_jax.route.maps import read", set()),
        ("scenes", "from astro_jax.sim.scene import Scene", {"sim"}),
    ],
)
def test_the_import_check_itself(room, source, wrong):
    assert wrong_imports(room, source) == wrong


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import jax\nf = jax.jit(abs)", {"jax.jit"}),
        ("from jax import jit as j\n@j\ndef f(): ...", {"jax.jit"}),
        ("import jax\nclass A:\n    @jax.jit\n    def f(self): ...", {"jax.jit"}),
        ("import functools, jax\n@functools.partial(jax.jit)\ndef f(): ...", {"jax.jit"}),
        ("import jax\ndef f():\n    return jax.jit(abs)", set()),
        ("import jax\ndef f():\n    jax.config.update('a', 1)", {"jax.config"}),
        ("from jax import config", {"jax.config"}),
        ("import os\ndef f():\n    return os.environ['A']", {"os.environ"}),
        ("import os.path\nos.path.join('a', 'b')", set()),
    ],
)
def test_the_side_effect_check_itself(source, found):
    assert side_effects("world", source) == found
