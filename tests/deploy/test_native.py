"""Machine code ahead of time: as exact as what XLA compiles, safe from numbers that are none."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.cli import main
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency, PlannerParams
from astro_jax.deploy import engine, native
from astro_jax.deploy.arrays import flat, form_of, to_bytes
from astro_jax.deploy.artifact import read_artifact
from astro_jax.deploy.functions import functions
from astro_jax.deploy.load import engine_of
from astro_jax.deploy.manifest import Signature
from astro_jax.deploy.settings import Settings
from astro_jax.deploy.stablehlo import exported
from astro_jax.deploy.unpack import unpack_native
from astro_jax.errors import InputError
from tests.deploy.made_up import written

TRIPLE = engine.this_target()


def looked_up(arrays):
    """A table looked up at a place that may be anything, as the planner does it."""
    index = jnp.floor(arrays["x"] / 0.1).astype(jnp.int32) + 2
    row = jnp.clip(index, 0, 9)
    kind = arrays["table"].at[arrays["kind"]].get(mode="promise_in_bounds")
    far = arrays["table"].at[arrays["x"].astype(jnp.uint32)].get(mode="promise_in_bounds")
    return {
        "far": far,
        "fine": arrays["on"] & (row == index),
        "index": index,
        "kind": kind,
        "value": arrays["table"][row],
    }


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pytest.importorskip("iree.compiler", reason="the extra iree is not installed")
    pytest.importorskip("iree.runtime", reason="the extra iree is not installed")
    from astro_jax.deploy.machine_code import machine_code

    inputs = {
        "kind": np.int32(3),
        "on": np.True_,
        "table": np.arange(10, dtype=np.float32) ** 2,
        "x": np.array([0.05, 0.71, -5.0, 9.0], np.float32),
    }
    form = form_of(inputs)
    outputs = jax.jit(looked_up)(inputs)
    signature = Signature(inputs=form, outputs=form_of(outputs))
    code = bytes(exported(looked_up, form, "cpu").serialize())
    parts = {
        "cpu/start.stablehlo": code,
        "golden/start.inputs": to_bytes(form, inputs),
        "golden/start.outputs": to_bytes(signature.outputs, outputs),
    }
    targets = [triple for triple in (TRIPLE, "aarch64-linux-gnu")]
    for triple in targets:
        parts[f"{triple}/start.vmfb"] = machine_code(code, triple, "start")
    path = tmp_path_factory.mktemp("native") / "a.astro"
    return written(
        path, parts, functions={"start": signature}, targets=tuple(dict.fromkeys(targets))
    )


def test_it_answers_as_xla(file):
    artifact = read_artifact(file)
    inputs, outputs = artifact.golden("start")
    ready = engine_of(artifact)
    assert ready.name == f"machine code on {TRIPLE}"
    for given in (inputs, ready.keep(inputs)):
        found = ready.calls["start"](given)
        assert {name: array.dtype for name, array in found.items()} == {
            name: array.dtype for name, array in outputs.items()
        }
        for name, array in outputs.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("x", [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e8])
def test_numbers_out_of_range_lead_nowhere_else(x, file):
    """A pose that is no number must not become an address: before, the process died of it."""
    artifact = read_artifact(file)
    inputs, _ = artifact.golden("start")
    inputs = {**inputs, "x": np.full(4, x, np.float32)}
    found = engine_of(artifact).calls["start"](inputs)
    wanted = engine_of(artifact, "cpu").calls["start"](inputs)
    np.testing.assert_array_equal(found["value"], wanted["value"])
    np.testing.assert_array_equal(found["far"], wanted["far"])
    np.testing.assert_array_equal(found["index"], wanted["index"])


@pytest.mark.parametrize("kind", [-1, 10, 2**31 - 1, -(2**31)])
def test_indices_out_of_range_lead_nowhere_else(kind, file):
    artifact = read_artifact(file)
    inputs, _ = artifact.golden("start")
    given = {**inputs, "kind": np.int32(kind)}
    found = engine_of(artifact).calls["start"](given)["kind"]
    assert found == engine_of(artifact, "cpu").calls["start"](given)["kind"]


@pytest.mark.soak
@pytest.mark.parametrize("name", ["start", "think", "act"])
def test_the_robots_own_functions_become_machine_code(name):
    pytest.importorskip("iree.compiler", reason="the extra iree is not installed")
    from astro_jax.deploy.machine_code import machine_code

    settings = Settings(
        robot=DEFAULT_ROBOT, config=DEFAULT_PLANNER, params=PlannerParams(), latency=Latency()
    )
    made = functions(settings, (480, 480))[name]
    form = form_of(jax.eval_shape(flat, made.inputs))
    code = bytes(exported(made.call, form, "cpu").serialize())
    assert b"\x7fELF" in machine_code(code, TRIPLE, name)


def test_for_arm_it_is_code_for_arm(file):
    parts = read_artifact(file).parts
    elf = parts["aarch64-linux-gnu/start.vmfb"]
    begin = elf.index(b"\x7fELF")
    assert int.from_bytes(elf[begin + 18 : begin + 20], "little") == 183  # EM_AARCH64


def test_what_cannot_run_here_is_refused_with_the_remedy(file, monkeypatch):
    artifact = read_artifact(file)
    with monkeypatch.context() as patch:
        patch.setattr(native, "this_target", lambda: "riscv64-linux-gnu")
        with pytest.raises(InputError, match=r"native on riscv64.*--target iree"):
            engine_of(artifact, "native")
    with monkeypatch.context() as patch:
        patch.setattr(native, "NEEDED", frozenset({"warp"}))
        if TRIPLE.startswith("x86_64"):
            with pytest.raises(InputError, match=r"processor is \['warp'\]"):
                engine_of(artifact, "native")
    parts = {**artifact.parts, f"{TRIPLE}/start.vmfb": b"no code"}
    with pytest.raises(InputError, match=r"start\.vmfb is not loaded"):
        engine_of(dataclasses.replace(artifact, parts=parts), "native")


def test_other_triples_are_not_compiled_for(tmp_path, capsys):
    pytest.importorskip("iree.compiler", reason="the extra iree is not installed")
    out = tmp_path / "a.astro"
    command = ["export", "--out", str(out), "--triple", "z80-unknown-cpm"]
    for more, needle in (([], "--target iree"), (["--target", "iree"], "z80-unknown-cpm")):
        assert main([*command, *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert needle in line and not out.exists()


def test_files_for_a_robot_without_python(file, tmp_path, capsys):
    folder = tmp_path / "robot"
    command = ["artifact", "unpack", str(file), "--triple", "aarch64-linux-gnu"]
    assert main(command) == 2
    assert "--out" in capsys.readouterr().err
    assert main([*command, "--out", str(folder)]) == 0
    assert (folder / "start.arrays").read_text().splitlines() == [
        "in i32 same 0 kind",
        "in bool same 0 on",
        "in f32 same 1 10 table",
        "in f32 same 1 4 x",
        "out f32 same 1 4 far",
        "out bool same 1 4 fine",
        "out i32 same 1 4 index",
        "out f32 same 0 kind",
        "out f32 same 1 4 value",
    ]
    artifact = read_artifact(file)
    assert (folder / "start.inputs").read_bytes() == artifact.parts["golden/start.inputs"]
    assert (folder / "start.vmfb").read_bytes() == artifact.parts["aarch64-linux-gnu/start.vmfb"]


def test_a_program_that_is_not_python_gives_the_same(file, tmp_path):
    """IREE's own runner, in C++, on the unpacked files."""
    artifact = read_artifact(file)
    unpack_native(artifact, TRIPLE, tmp_path)
    inputs, outputs = artifact.golden("start")
    spelled = {"f32": "f32", "i32": "i32", "bool": "i8"}
    command = [str(Path(sys.executable).with_name("iree-run-module")), "--device=local-sync"]
    command += [f"--module={tmp_path / 'start.vmfb'}", "--function=main"]
    signature = artifact.manifest.functions["start"]
    for name, kind in signature.inputs.items():
        (tmp_path / name).write_bytes(np.asarray(inputs[name]).tobytes())
        shape = "x".join([*map(str, kind.shape), spelled[kind.type]])
        command.append(f"--input={shape}=@{tmp_path / name}")
    for name in outputs:
        command.append(f"--output=@{tmp_path / name}.npy")
    subprocess.run(command, check=True, capture_output=True)
    for name, value in outputs.items():
        found = np.load(tmp_path / f"{name}.npy", allow_pickle=False)
        np.testing.assert_array_equal(found.astype(value.dtype), value, err_msg=name)


ARRAYS_IN_C = """
#include "arrays.h"
#include <stdio.h>
int main(int argc, char** argv) {
  arrays_t wanted, found;
  double worst;
  if (argc != 4 || !arrays_read(argv[1], argv[2], "out", &wanted)) return 2;
  if (!arrays_read(argv[1], argv[3], "out", &found)) return 2;
  for (size_t i = 0; i < wanted.count; ++i) {
    const array_t* array = &wanted.arrays[i];
    const size_t at = array->offset;
    bool good = array_agrees(array, wanted.data + at, found.data + at, &worst);
    printf("%s %zu %d %.4g\\n", array->name, array->count, good, worst);
  }
  return 0;
}
"""


def test_the_program_in_c_reads_and_compares_arrays(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no compiler for C")
    source = Path(__file__).parent.parent.parent / "deploy" / "native"
    (tmp_path / "main.c").write_text(ARRAYS_IN_C)
    program = tmp_path / "program"
    files = [str(tmp_path / "main.c"), str(source / "arrays.c")]
    warnings = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined"]
    subprocess.run(
        [compiler, *warnings, f"-I{source}", *files, "-lm", "-o", str(program)], check=True
    )
    (tmp_path / "list").write_text(
        "in f32 same 1 9 not.this\n"
        "out f32 near 0 cost\nout bool same 1 2 flags\nout i32 same 1 3 ints\n"
        "out f32 same 2 2 100 many\nout f32 any 1 1 choice\n"
    )

    def files_of(cost, flags, ints, many, choice, name):
        data = np.float32(cost).tobytes() + np.array(flags, bool).tobytes()
        data += np.array(ints, np.int32).tobytes()
        data += np.array(many, np.float32).tobytes() + np.float32(choice).tobytes()
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    base = np.linspace(-5, 5, 200)
    base[:3] = [np.nan, np.inf, -np.inf]
    wanted = files_of(1.0, [True, False], [1, 2, 3], base, 1.0, "wanted")

    def answers(cost, flags, ints, many, choice):
        found = files_of(cost, flags, ints, many, choice, "found")
        run = subprocess.run(
            [str(program), str(tmp_path / "list"), wanted, found],
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(line.split()[2]) for line in run.stdout.splitlines()]

    assert answers(1.0, [True, False], [1, 2, 3], base, 9.0) == [1, 1, 1, 1, 1]
    assert answers(1.02, [True, False], [1, 2, 3], base + 5e-4, 9.0) == [1, 1, 1, 1, 1]
    assert answers(1.04, [True, True], [1, 2, 4], base + 0.1, 9.0) == [0, 0, 0, 0, 1]
    flipped, none = base.copy(), base.copy()
    flipped[7:9] = 100.0  # a hundredth of them
    none[3:6] = np.nan
    assert answers(1.0, [True, False], [1, 2, 3], flipped, 9.0) == [1, 1, 1, 1, 1]
    assert answers(1.0, [True, False], [1, 2, 3], none, 9.0) == [1, 1, 1, 0, 1]
    # what is cut off is not read
    data = Path(wanted).read_bytes()
    Path(wanted).write_bytes(data[:-1])
    assert subprocess.run([str(program), str(tmp_path / "list"), wanted, wanted]).returncode == 2
