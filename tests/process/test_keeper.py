"""Children are started again, but not for ever; folders, locks and counts of a robot."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.cli import main
from astro_jax.errors import InputError
from astro_jax.process import folder as folders
from astro_jax.process.beats import EVERY, SILENT, Beats, Heart
from astro_jax.process.folder import Start, folder_of, read_start, write_start
from astro_jax.process.histogram import Histogram
from astro_jax.process.keeper import HANGS, RESTARTS, Child


def test_a_child_that_dies_again_and_again_is_given_up(tmp_path):
    child = Child("route", tmp_path)  # there is no run.json: it ends at once
    until = time.monotonic() + 60.0
    while not child.given_up and time.monotonic() < until:
        child.look()
        time.sleep(0.02)
    assert child.given_up and child.deaths == RESTARTS + 1
    assert not child.look() and child.deaths == RESTARTS + 1
    child.end()


def test_a_child_that_hangs_is_killed_and_started_again(tmp_path, monkeypatch):
    def sleeper(self):
        self._since = time.monotonic()
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    monkeypatch.setattr(Child, "_started", sleeper)
    child = Child("planner", tmp_path)
    first = child.pid
    try:
        # it was never heard: it is not ready yet
        assert all(child.look(1e6) for _ in range(20)) and child.deaths == 0
        child._since -= 100.0
        assert child.look(HANGS - 0.5) and child.deaths == 0
        # somebody has stopped it, for whatever reason, and lets it go on
        until = time.monotonic() + 30.0
        os.kill(first, signal.SIGSTOP)
        while child.look() and time.monotonic() < until:
            time.sleep(0.01)
        assert child.stopped and not child.look(2 * HANGS) and child.deaths == 0
        os.kill(first, signal.SIGCONT)
        while not child.look(1e3) and time.monotonic() < until:
            time.sleep(0.01)
        assert child.deaths == 0 and child.pid == first
        # heard since then, and now no more
        child._since -= 100.0
        while child.pid == first and time.monotonic() < until:
            child.look(2 * HANGS)
            time.sleep(0.01)
        assert child.deaths == 1 and not child.given_up
    finally:
        child.end()


def test_a_heart_falls_silent_with_its_loop(tmp_path):
    beats = Beats(tmp_path / "beats.box")
    assert beats.silence("planner", time.monotonic_ns()) > 1e6
    heart = Heart(Beats(tmp_path / "beats.box"), "planner", longest=0.3)
    heart.start()
    lived = []
    for _ in range(20):
        heart.alive()
        time.sleep(0.02)
        lived.append(beats.silence("planner", time.monotonic_ns()))
    assert np.median(lived) < SILENT + EVERY
    time.sleep(1.0)  # the loop hangs
    assert beats.silence("planner", time.monotonic_ns()) > 0.5
    assert beats.silence("route", time.monotonic_ns()) > 1e6
    heart.stop()


def test_what_a_robot_was_started_with_is_read_by_its_other_processes(tmp_path):
    start = Start(
        name="a",
        artifact="/a.astro",
        engine="auto",
        cache=None,
        map="/m.yaml",
        wire="dds",
        domain=3,
        interface="lo",
        log=None,
        goal=(1.0, 2.0, 0.5),
        listen=False,
    )
    write_start(tmp_path, start)
    assert read_start(tmp_path) == start


@pytest.mark.parametrize("name", ["", "a/b", "..", "A", "x" * 25])
def test_names_are_no_paths(name):
    with pytest.raises(InputError, match="name"):
        folder_of(name)


def test_a_folder_that_others_can_write_is_refused(tmp_path, monkeypatch):
    real = folders.Path
    monkeypatch.setattr(folders, "Path", lambda *a: tmp_path if a == ("/dev/shm",) else real(*a))
    mine = folder_of("me")
    assert mine.is_relative_to(tmp_path) and mine.stat().st_mode & 0o777 == 0o700
    mine.chmod(0o770)
    with pytest.raises(InputError, match="this user alone"):
        folder_of("me")


@given(st.lists(st.floats(1e-6, 5.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.99, 1.0]))
def test_quantiles_are_those_of_numpy_to_the_width_of_a_bin(values, share):
    counted = Histogram()
    for value in values:
        counted.add(value)
    exact = 1e3 * np.quantile(values, share, method="inverted_cdf")
    assert exact - 1e-9 <= counted.quantile(share) <= max(1.024 * exact, 0.0101)
    assert counted.worst == pytest.approx(1e3 * max(values))


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["--artifact", "no.astro"], "no.astro"),
        (["--domain", "999"], "domain"),
        (["--name", "../x"], "name"),
    ],
)
def test_what_a_robot_cannot_be_started_with_is_one_line(arguments, needle, capsys):
    given = {"--artifact": "a.astro", "--map": "m.yaml", "--name": "refused"}
    given.update(zip(arguments[::2], arguments[1::2], strict=True))
    assert main(["robot", *(word for pair in given.items() for word in pair)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert needle in line
    shutil.rmtree(folder_of("refused"))


ORPHAN = """
import os, subprocess, sys, time
child = "import os, sys, time; from astro_jax.process.rights import end_with_parent; "
child += "end_with_parent(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child, str(os.getpid())])
time.sleep(60)
"""


def test_when_the_gate_is_killed_its_children_go_too():
    gate = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE)
    assert gate.stdout is not None
    child = int(gate.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    gate.kill()
    gate.communicate()
    until = time.monotonic() + 30.0
    while Path(f"/proc/{child}/exe").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}/exe").exists()
