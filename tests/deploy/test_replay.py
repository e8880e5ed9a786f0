"""A drive that is run again is the same bit by bit, and any bit that is not is named."""

import dataclasses

import numpy as np
import pytest

from astro_jax.cli import main
from astro_jax.deploy import cache, load
from astro_jax.deploy.black_box import Limits
from astro_jax.deploy.call_record import decoded, encoded
from astro_jax.deploy.replay import call_at, read_log_file, replay
from astro_jax.errors import InputError
from tests.deploy.made_up_calls import ACT, ENGINE, START, artifact_at, drive_into, files_of


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return artifact_at(tmp_path_factory.mktemp("artifact") / "a.astro")


@pytest.fixture(scope="module")
def file(artifact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    drive_into(folder, artifact, 4, Limits(waiting=1000))
    return files_of(folder)[0]


def changed(log, number, edit):
    """The log with the body of one message otherwise."""
    messages = list(log.messages)
    body = bytearray(messages[number].body)
    edit(body)
    messages[number] = dataclasses.replace(messages[number], body=bytes(body))
    return dataclasses.replace(log, messages=tuple(messages))


SCAN = 4 + len(ACT.inputs) + len(ACT.outputs)
"""Where the first array of a tick begins."""


def test_a_drive_is_the_same_again(file, artifact):
    replayed = replay(read_log_file(file), artifact, ENGINE)
    assert replayed.calls == {"think": 4, "act": 8} and replayed.difference is None
    assert (replayed.lost, replayed.cut, replayed.same_artifact) == (0, 0, True)


def test_the_cycle_at_a_time_is_the_last_that_was_over(file, artifact):
    log = read_log_file(file)
    cycles = [message for message in log.messages if message.topic == "think"]
    times = [1e-9 * (message.time - log.messages[0].time) for message in cycles]
    for count, time in enumerate(times, start=1):
        call = call_at(log, artifact, ENGINE, time)
        assert (call.function, call.time) == ("think", time)
        assert call.outputs["state.count"] == count and call.difference is None
    assert call_at(log, artifact, ENGINE, 1e9).time == times[-1]
    ticks = dataclasses.replace(log, messages=log.messages[:1])
    with pytest.raises(InputError, match="draw is -1"):
        call_at(ticks, artifact, ENGINE, -1.0)


@pytest.mark.parametrize(
    ("element", "array", "index"),
    [(0, "state.x", (0, 0)), (1, "verdict.twist", (0,)), (2, "verdict.twist", (1,))],
)
def test_an_input_one_bit_off_is_named(element, array, index, file, artifact):
    def edit(body):
        body[SCAN + 4 * element + 2] ^= 1

    found = replay(changed(read_log_file(file), 5, edit), artifact, ENGINE)
    assert found.difference is not None
    assert (found.difference.record, found.difference.function) == (5, "act")
    assert (found.difference.array, found.difference.index) == (array, index)
    assert found.calls == {"think": 2, "act": 4}
    assert f"record 5 (act, {found.difference.time:.3f} s): {array}[" in str(found.difference)


def test_a_map_that_comes_out_otherwise_is_found_by_its_hash(file, artifact):
    def other(given):
        outputs = ENGINE.calls["think"](given)
        if outputs["state.count"] == 3:
            outputs["state.map"] = outputs["state.map"].copy()
            outputs["state.map"][7] = np.nextafter(outputs["state.map"][7], np.float32(1e9))
        return outputs

    engine = dataclasses.replace(ENGINE, calls={**ENGINE.calls, "think": other})
    found = replay(read_log_file(file), artifact, engine).difference
    assert found is not None
    assert (found.record, found.array, found.index) == (6, "state.map", None)


def test_minus_zero_is_not_zero(file, artifact):
    def other(given):
        outputs = ENGINE.calls["think"](given)
        return {**outputs, "state.x": outputs["state.x"] + np.float32(0.0)}

    engine = dataclasses.replace(ENGINE, calls={**ENGINE.calls, "think": other})
    found = replay(read_log_file(file), artifact, engine).difference
    assert found is not None
    assert (found.record, found.index, found.was, found.now) == (0, (1, 0), "-0.0", "0.0")


def test_logs_of_other_functions_are_refused(file, artifact):
    log = read_log_file(file)
    with pytest.raises(InputError, match="another act"):
        replay(dataclasses.replace(log, schemas={**log.schemas, "act": b"{}"}), artifact, ENGINE)
    late = dataclasses.replace(log, messages=log.messages[1:])
    with pytest.raises(InputError, match=r"record 1: state\.count is told nowhere"):
        replay(late, artifact, ENGINE)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        *[(4, code) for code in (2, 3, 255)],  # an input by its hash, and in no way at all
        (4 + len(ACT.inputs) + 3, 0),  # an output that was never handed in
        (5, 1),  # more than there is
    ],
)
def test_forged_records_are_refused(at, value):
    inputs = {"scan": np.zeros(3, np.float32), **START}
    told = {name: (array, np.asarray(array).tobytes()) for name, array in START.items()}
    body, _ = encoded(ACT, inputs, ENGINE.calls["act"](inputs), told, 0)
    assert decoded(ACT, body, "it").inputs["scan"] == (1, bytes(12))
    for forged in (body[:at] + bytes([value]) + body[at + 1 :], body[:-1], body + b"0", b""):
        with pytest.raises(InputError, match="it: "):
            decoded(ACT, forged, "it")


def test_the_command_line_tells_same_from_other_from_unusable(
    file, artifact, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(cache, "use_cache", lambda folder: None)
    monkeypatch.setattr(load, "engine_of", lambda artifact, choice: ENGINE)
    rest = ["--artifact", artifact.where, "--cache", str(tmp_path / "cache")]
    assert main(["replay", str(file), *rest]) == 0
    shown = capsys.readouterr().out
    assert "every decision is bit-identical" in shown and "4 think, 8 act" in shown

    other = {**ENGINE.calls, "act": lambda given: ENGINE.calls["act"](given | {"scan": HALF})}
    engine = dataclasses.replace(ENGINE, calls=other)
    monkeypatch.setattr(load, "engine_of", lambda artifact, choice: engine)
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(file.read_bytes()[:-100])
    assert main(["replay", str(cut), *rest]) == 1
    shown = capsys.readouterr().out
    assert "differs: record 1 (act, " in shown and "state.x[0, 0]" in shown
    assert "no whole record and were left out" in shown

    cut.write_bytes(file.read_bytes()[:-1] + b"?")
    for path in (cut, tmp_path / "none", tmp_path, artifact.where):
        assert main(["replay", str(path), *rest]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("astro-jax: ")


HALF = np.full(3, 0.5, np.float32)
