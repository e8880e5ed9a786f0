"""Faults 54 to 58 and 60: what an artifact says of itself is checked before it is believed."""

import dataclasses
import json
import math
import sys
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.deploy import stablehlo
from astro_jax.deploy.archive import packed, read_file, unpacked, write_file
from astro_jax.deploy.arrays import Kind, checked, flat, form_of, from_bytes, nested, to_bytes
from astro_jax.deploy.artifact import SETTINGS, read_artifact
from astro_jax.deploy.engine import xla_engine
from astro_jax.deploy.load import engine_of
from astro_jax.deploy.manifest import MANIFEST, check_here, described, manifest_from_json
from astro_jax.deploy.settings import Settings, settings_from_json, settings_to_json
from astro_jax.errors import InputError, ShapeError
from astro_jax.types import Leash, RouteField, SmoothGrid
from tests.deploy.made_up import INPUTS, OUTPUTS, SIGNATURE, array, written
from tests.deploy.made_up import MANIFEST as MADE


def rewritten(path, change):
    """The artifact with another manifest, its hashes and seal as if export had made it."""
    parts = unpacked(read_file(path), "")
    document = json.loads(parts[MANIFEST])
    change(document)
    parts[MANIFEST] = json.dumps(document).encode()
    write_file(path, packed(parts))
    return path


# ---- good ones -----------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path):
    artifact = read_artifact(written(tmp_path / "a.astro"))
    assert artifact.settings == Settings()
    assert artifact.manifest.functions == {"start": SIGNATURE}
    inputs, outputs = artifact.golden("start")
    for found, made in ((inputs, INPUTS), (outputs, OUTPUTS)):
        assert found.keys() == made.keys()
        for name, value in made.items():
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)


def test_the_same_artifact_has_the_same_bytes(tmp_path):
    one, two = (written(tmp_path / name).read_bytes() for name in ("a", "b"))
    assert one == two


KINDS = st.builds(
    Kind,
    type=st.sampled_from(["f32", "i32", "u32", "bool"]),
    shape=st.lists(st.integers(0, 3), max_size=3).map(tuple),
)
FORMS = st.dictionaries(st.text("abc.", min_size=1), KINDS, max_size=4).map(
    lambda form: dict(sorted(form.items()))
)


@given(FORMS, st.randoms())
def test_arrays_survive_bit_by_bit(form, random):
    arrays = {
        name: np.frombuffer(random.randbytes(kind.bytes), np.uint8)
        .view(kind.dtype)
        .reshape(kind.shape)
        if kind.type != "bool"
        else np.array([random.random() < 0.5 for _ in range(math.prod(kind.shape))], bool).reshape(
            kind.shape
        )
        for name, kind in form.items()
    }
    data = to_bytes(form, arrays)
    found = from_bytes(form, data, "it")
    assert form_of(found) == form and to_bytes(form, found) == data
    with pytest.raises(InputError, match="bytes"):
        from_bytes(form, data + b"x", "it")


def test_nouns_become_flat_and_nested_again():
    grid = SmoothGrid(table=array(np.ones((2, 2, 3))), origin=array(0, 0), resolution=array(0.1))
    field = RouteField(cost_to_go=grid, goal_map=array(0, 1, 2), leash=None)
    arrays = flat(field, "way")
    assert sorted(arrays) == [
        *(f"way.cost_to_go.{name}" for name in ("origin", "resolution", "table")),
        "way.goal_map",
    ]
    assert nested(field, arrays, "way") == field
    leashed = dataclasses.replace(field, leash=Leash(length=array(1), receding=array(0)))
    assert set(flat(leashed)) - set(flat(field)) == {"leash.length", "leash.receding"}
    params = PlannerParams(harm_of_kind=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert flat(params)["harm_of_kind.3"] == 4.0
    assert nested(PlannerParams(), flat(params)) == params


def test_functions_take_no_other_arrays():
    with pytest.raises(ShapeError, match=r"state.x is missing; expected f32\[2, 3\]"):
        checked(SIGNATURE.inputs, {"flag": np.True_})
    for wrong in (np.zeros((3, 2), np.float32), np.zeros((2, 3)), [[1.0]]):
        with pytest.raises(ShapeError, match=r"state\.x"):
            checked(SIGNATURE.inputs, {**INPUTS, "state.x": wrong})
    assert list(checked(SIGNATURE.inputs, {"more": 1, **INPUTS})) == ["flag", "state.x"]


# ---- bad ones ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "needle"),
    [
        ({"package": "0.0.1"}, "version of astro_jax is 0.0.1.*make it anew"),
        ({"jax": "99.0.0"}, "version of jax is 99.0.0.*make it anew"),
    ],
)
def test_other_versions_are_refused_with_the_remedy(changes, needle, tmp_path):
    with pytest.raises(InputError, match=needle):
        read_artifact(written(tmp_path / "a.astro", **changes))


def test_an_older_jax_may_have_written_it():
    check_here(dataclasses.replace(MADE, jax="0.9.12"), "0.10.2", "it")
    check_here(dataclasses.replace(MADE, jax="0.10.2"), "0.10.2.dev3+gabc", "it")
    with pytest.raises(InputError, match="version of jax"):
        check_here(dataclasses.replace(MADE, jax="0.10.3"), "0.10.2", "it")


@pytest.mark.parametrize(
    ("choice", "needle"),
    [
        ("cuda", "platform is cuda; expected one of cpu.*make it anew.*--platform cuda"),
        ("native", "make it anew.*--target iree"),
        ("tpu", "engine is tpu"),
    ],
)
def test_other_platforms_are_refused_with_the_remedy(choice, needle, tmp_path):
    with pytest.raises(InputError, match=needle):
        engine_of(read_artifact(written(tmp_path / "a.astro")), choice)


@pytest.mark.parametrize(
    "said",
    [
        "Unknown backend cuda. Available backends are ['cpu']",
        "Backend 'cuda' failed to initialize: Unable to load CUDA.\n------\n" + "more\n" * 999,
        "INTERNAL: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
    ],
)
def test_a_device_that_is_not_there_is_told_of_in_one_line(said, tmp_path, monkeypatch):
    """One that never was, one without its driver, one that fell off the bus."""

    def devices(platform):
        raise jax.errors.JaxRuntimeError(said) if "INTERNAL" in said else RuntimeError(said)

    monkeypatch.setattr(jax, "devices", devices)
    parts = {"cuda/start.stablehlo": b"no function"}
    path = written(tmp_path / "a.astro", parts, platforms=("cpu", "cuda"))
    with pytest.raises(InputError) as refused:
        engine_of(read_artifact(path), "cuda")
    told = str(refused.value)
    assert told.startswith(f"{path}: platform is cuda; expected a device that is here ({said[:20]}")
    assert len(told.splitlines()) == 1 and len(told) < 300 + len(str(path))


def test_what_is_no_function_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"start.stablehlo: function is unreadable"):
        xla_engine(read_artifact(written(tmp_path / "a.astro")))


def forge(**entries):
    return lambda document: document.update(entries)


def forge_shape(*shape: Any, kind: Any = "f32", name: Any = "x"):
    form = {"inputs": [[name, kind, list(shape)]], "outputs": []}
    return forge(functions={"start": form})


@pytest.mark.parametrize(
    "change",
    [
        forge(format=2),
        forge(format=True),
        forge(more=1),
        lambda document: document.pop("jax"),
        forge(jax=["0.1"]),
        forge(package="x" * 1000),
        forge(house=[1]),
        forge(house=[-1, 2]),
        forge(house=[1e3, 2]),
        forge(functions=[]),
        forge(functions={"start": {}}),
        forge(parts={"settings.json": {"bytes": -1, "sha256": ""}}),
        forge_shape(2**40),
        forge_shape(2**20, 2**20, 2**20),
        forge_shape(*[1] * 9),
        forge_shape(-1),
        forge_shape(True),
        forge_shape(1.5),
        forge_shape(2, kind="object"),
        forge_shape(2, kind="O"),
        forge_shape(2, kind=["f32"]),
        forge_shape(2, name=""),
        forge_shape(2, name="a\0"),
        forge_shape(2, name=7),
    ],
)
def test_forged_manifests_are_refused(change, tmp_path):
    path = rewritten(written(tmp_path / "a.astro"), change)
    with pytest.raises(InputError, match=r"manifest|format"):
        read_artifact(path)


def test_shapes_that_the_arrays_do_not_have_are_refused(tmp_path):
    path = rewritten(written(tmp_path / "a.astro"), forge_shape(1000, 1000))
    with pytest.raises(InputError, match="arrays is 25 bytes; expected 4000000"):
        read_artifact(path).golden("start")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}'])
def test_what_is_no_json_is_no_manifest(data):
    with pytest.raises(InputError):
        manifest_from_json(data, "it")
    with pytest.raises(InputError):
        manifest_from_json(b"[" * 100_000, "it")


@given(st.binary(max_size=40))
def test_noise_is_no_manifest_and_no_settings(data):
    for read in (manifest_from_json, settings_from_json):
        with pytest.raises(InputError):
            read(data, "it")


def test_a_part_that_was_exchanged_is_found(tmp_path):
    path = written(tmp_path / "a.astro")
    parts = unpacked(read_file(path), "")
    for name in parts:
        if name == MANIFEST:
            continue
        for other in (b"x" + parts[name][1:], None):
            changed = {key: other if key == name else data for key, data in parts.items()}
            changed = {key: data for key, data in changed.items() if data is not None}
            write_file(path, packed(changed))
            with pytest.raises(InputError, match=f"part {name}"):
                read_artifact(path)
    write_file(path, packed({**parts, "more": b""}))
    with pytest.raises(InputError, match="part more"):
        read_artifact(path)


# ---- settings ------------------------------------------------------------------------


def test_settings_survive():
    settings = Settings(
        robot=RobotConfig(speed=0.5, footprint=((0.1, -0.1), (0.1, 0.1), (-0.2, 0.0))),
        config=PlannerConfig(intervals=(0.5, 1.0, 1.5), people=3),
        params=PlannerParams(patience=3.7, harm_of_kind=(1.0, 2.0, 3.0, 4.0, 5.0)),
    )
    settings = dataclasses.replace(settings, robot=RobotConfig(speed=0.5))
    assert settings_from_json(settings_to_json(settings), "it") == settings


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_not_written(value):
    with pytest.raises(InputError, match="settings"):
        settings_to_json(Settings(params=PlannerParams(patience=value)))


@pytest.mark.parametrize(
    ("old", "new", "needle"),
    [
        ('"patience": 4.0', '"patience": NaN', "number is NaN"),
        ('"patience": 4.0', '"patience": 1e999', "patience is inf"),
        ('"patience": 4.0', '"patience": -4.0', "patience is -4.0"),
        ('"patience": 4.0', '"patience": "4.0"', "patience is '4.0'"),
        ('"patience": 4.0', '"patience": null', "patience is None"),
        ('"patience"', '"patients"', "patients is unknown"),
        ('"patience": 4.0', '"patience": 4.0, "patience": 5.0', "each name once"),
        ('"sensor": 0.2', '"sensor": 7.0', "sensor is 7.0"),
        ('"braking": 1.8', '"braking": 0.2', "braking is 0.2"),
        ('"latency"', '"lateness"', "the sections"),
    ],
)
def test_settings_that_make_no_sense_are_refused(old, new, needle, tmp_path):
    text = settings_to_json(Settings()).decode()
    assert text.count(old) == 1
    path = written(tmp_path / "a.astro", {SETTINGS: text.replace(old, new).encode()})
    with pytest.raises(InputError, match=needle):
        read_artifact(path)


def test_without_flatbuffers_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(InputError, match="pip install flatbuffers"):
        stablehlo.exporter()


def test_hashes_are_of_the_parts():
    # from FIPS 180-2: SHA-256 of "abc"
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert described({"p": b"abc"}) == {"p": (3, digest)}
