"""Small changes of the gate's code, one at a time: does a test fail?

The mutants are those that mutmut makes.  Its own runner forks after it has run the tests once,
and a process in which XLA has threads must not fork; here JAX is imported before the fork and
first used after it.  One such process runs some mutants in turn, importing the gate and its
tests anew for each.  What compiles to the same program comes out of a compilation cache.
"""

import argparse
import contextlib
import dataclasses
import difflib
import hashlib
import importlib.util
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUT = HERE / "out"
TESTS = {
    "modes": ("modes",),
    "stopping": ("stopping",),
    "gaps": ("gaps",),
    "watch": ("faults",),
    "path": ("path", "tracking_law", "tracking"),
    "tracking": ("tracking_law", "tracking"),
    "movers": ("envelope", "fastest", "passed", "movers"),
    "sight": ("envelope", "sight"),
    "gate": ("speeds", "tick", "kept", "watch"),
    "kept": ("kept",),
}
"""The tests of each file, quick ones first."""
AT_ONCE = 60
"""So many mutants in one process: its compiled programs are kept until it ends."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutant:
    file: str
    function: str
    line: int
    diff: str
    code: str

    @property
    def key(self) -> str:
        """The same for the same change of the same code."""
        return self.file + "-" + hashlib.sha256(self.code.encode()).hexdigest()[:12]


def mutants_of(file: str) -> list[Mutant]:
    """Every different mutant that mutmut makes of one file, in the order of the file."""
    from mutmut.mutation.file_mutation import create_mutations

    path = ROOT / "astro_jax" / "reactive" / f"{file}.py"
    source = path.read_text()
    with contextlib.chdir(HERE):  # where mutmut's setup.cfg is
        module, mutations, *_ = create_mutations(str(path), source)
    found = {}
    for mutation in mutations:
        code = module.deep_replace(mutation.original_node, mutation.mutated_node).code
        changes = list(difflib.unified_diff(source.splitlines(), code.splitlines(), n=0))[2:]
        if not changes:
            continue
        within = mutation.contained_by_top_level_function
        mutant = Mutant(
            file=file,
            function=within.name.value if hasattr(within, "name") else "",
            line=int(changes[0].split()[1].lstrip("-").split(",")[0]),
            diff="\n".join(row for row in changes if not row.startswith("@@")),
            code=code,
        )
        found.setdefault(mutant.key, mutant)
    return list(found.values())


def _as_it_is(file: str) -> Mutant:
    code = (ROOT / "astro_jax" / "reactive" / f"{file}.py").read_text()
    return Mutant(file=file, function="", line=0, diff="", code=code)


def verdicts(mutants: list[Mutant], tests: list[str], timeout: float) -> Iterator[str]:
    """``killed``, ``survived`` or ``timeout`` of each in turn, from processes of their own.

    Each process ends with the file as it is, which has to pass.
    """
    OUT.mkdir(exist_ok=True)
    done = 0
    while done < len(mutants):
        rest = mutants[done : done + AT_ONCE]
        # whether it still tells right from wrong at its end
        answers, child = _fork([*rest, _as_it_is(rest[-1].file)], tests)
        for _ in rest:
            ready, _, _ = select.select([answers], [], [], timeout)
            answer = os.read(answers, 1) if ready else b""
            done += 1
            yield {b"0": "survived", b"1": "killed"}.get(answer, "killed" if ready else "timeout")
            if not answer:  # it has died, or has to
                break
        else:
            ready, _, _ = select.select([answers], [], [], timeout)
            if not ready or os.read(answers, 1) != b"0":
                raise SystemExit(f"{rest[-1].file}: the tests fail without a mutant; see {OUT}")
        os.close(answers)
        # it may have ended by itself by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _fork(mutants: list[Mutant], tests: list[str]) -> tuple[int, int]:
    """(Where the answers come from, a byte for each mutant, the process that gives them)."""
    answers, told = os.pipe()
    child = os.fork()
    if child:
        with contextlib.suppress(PermissionError):  # it has done it itself
            os.setpgid(child, child)
        os.close(told)
        return answers, child
    os.setpgid(0, 0)
    try:
        for mutant in mutants:
            os.write(told, b"1" if _fails(mutant, tests) else b"0")
    finally:
        os._exit(0)


def _fails(mutant: Mutant, tests: list[str]) -> bool:
    """Whether some test does; nothing of the mutant stays loaded."""
    before = set(sys.modules)
    place, log = OUT / f"{mutant.key}.py", OUT / f"{mutant.key}.log"
    place.write_text(mutant.code)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        return _test(f"astro_jax.reactive.{mutant.file}", place, tests) != 0
    except BaseException:
        traceback.print_exc()
        return True
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        place.unlink()
        for name in set(sys.modules) - before:
            if name.split(".")[0] in ("astro_jax", "tests"):
                del sys.modules[name]


def _test(module: str, place: Path, tests: list[str]) -> int:
    """Pytest's exit status with ``place`` in the role of ``module``."""
    import pytest

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return importlib.util.spec_from_file_location(name, place) if name == module else None

    class Plugin:
        @staticmethod
        def pytest_configure():
            import chex
            import jax
            from hypothesis import Phase, settings

            chex.clear_trace_counter()

            # after conftest.py; a cache of its own: mutants are no use to other runs
            jax.config.update("jax_compilation_cache_dir", str(OUT / "compiled"))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
            # a failure need not be made small
            settings.register_profile(
                "mutants",
                settings(),
                deadline=None,
                derandomize=True,
                database=None,
                phases=(Phase.explicit, Phase.generate),
            )
            settings.load_profile("mutants")

    assert module not in sys.modules
    finder = Finder()
    sys.meta_path.insert(0, finder)
    files = [f"tests/reactive/test_{name}.py" for name in tests]
    options = [
        "-x",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--tb=line",
        "--assert=plain",
    ]
    try:
        return int(pytest.main([*options, *files], plugins=[Plugin]))
    finally:
        sys.meta_path.remove(finder)


def _import_everything_else() -> None:
    """All that takes long to import and does not import the gate; starts no thread of XLA."""
    import chex  # noqa: F401
    import hypothesis  # noqa: F401
    import jax._src.xla_bridge as bridge
    import pytest  # noqa: F401
    import scipy.optimize  # noqa: F401

    import astro_jax.geometry
    import astro_jax.local.planner
    import astro_jax.robot.footprint
    import astro_jax.world.grid
    import astro_jax.world.sight  # noqa: F401

    assert not bridge._backends
    assert not any(name.startswith("astro_jax.reactive.") for name in sys.modules)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", default=list(TESTS))
    parser.add_argument("--sample", type=int, help="so many of each file, drawn with seed 0")
    parser.add_argument("--tests", nargs="*", help="other tests than those of the file")
    parser.add_argument("--again", action="store_true", help="run survivors of before once more")
    parser.add_argument("--list", action="store_true", help="only tell what is known")
    parser.add_argument("--timeout", type=float, default=240.0, help="seconds for each mutant")
    parser.add_argument("--json", type=Path, default=OUT / "results.json")
    given = parser.parse_args()
    known = json.loads(given.json.read_text()) if given.json.exists() else {}
    if not given.list:
        _import_everything_else()
    for file in given.files:
        mutants = mutants_of(file)
        # the first of one order: a larger sample contains the smaller one
        chosen = random.Random(0).sample(mutants, len(mutants)) if given.sample else mutants
        chosen = chosen[: given.sample]
        tests = given.tests or list(TESTS[file])
        todo = [] if given.list else [m for m in chosen if _is_open(known.get(m.key), given.again)]
        if todo:
            list(verdicts([_as_it_is(file)], tests, given.timeout))
        begin = time.monotonic()
        for mutant, verdict in zip(todo, verdicts(todo, tests, given.timeout), strict=True):
            seconds = round(time.monotonic() - begin, 1)
            begin = time.monotonic()
            known[mutant.key] = {"verdict": verdict, "seconds": seconds}
            given.json.write_text(json.dumps(known, indent=0))
            print(f"{verdict} {seconds} s {file}:{mutant.line}", flush=True)
        _tell(file, mutants, known)


def _is_open(before: dict | None, again: bool) -> bool:
    return not before or (again and before["verdict"] != "killed")


def _tell(file: str, mutants: list[Mutant], known: dict) -> None:
    counts = Counter(known[m.key]["verdict"] for m in mutants if m.key in known)
    print(f"== {file}: {len(mutants)} mutants, {dict(counts)}")
    for mutant in mutants:
        verdict = known.get(mutant.key, {}).get("verdict", "killed")
        if verdict != "killed":
            print(f"{verdict} {mutant.key} line {mutant.line} in {mutant.function}\n{mutant.diff}")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))  # this checkout's package, whichever is installed
    os.environ.update(JAX_PLATFORMS="cpu", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    main()
