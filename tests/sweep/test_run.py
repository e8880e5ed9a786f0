"""Sweeps that are killed, whose tasks are poison, and whose workers die."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from astro_jax.errors import InputError
from astro_jax.sweep import dispatch, run
from astro_jax.sweep.cluster import on_cluster
from astro_jax.sweep.dispatch import Queue
from astro_jax.sweep.processes import on_processes
from astro_jax.sweep.run import run_sweep
from astro_jax.sweep.store import read_rows
from tests.sweep.cheap import at_once, manifest, tasks, told, work

ROOT = Path(__file__).parents[2]

KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from astro_jax.sweep import run, store
from astro_jax.sweep.store import read_rows
from tests.sweep.cheap import at_once, manifest, tasks, told, work

folder, chance, given = Path(sys.argv[1]), random.Random(5), tasks([*range(100), "raise"])
run.BATCH, add = 3, store.Store.add
of, acknowledged, killed = manifest(given), set(), 0
while True:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        def noted(self, rows):
            add(self, rows)
            os.write(writing, "".join(row["id"] for row in rows).encode())
        store.Store.add = noted
        run.run_sweep(work, given, of, folder / "killed", at_once)
        os._exit(0)
    os.close(writing)
    # some way into its work, however fast the machine is, and then at any moment
    said, wanted = b"", chance.randrange(5)
    while wanted and (more := os.read(reading, 15)):
        said, wanted = said + more, wanted - 1
    time.sleep(chance.uniform(0.0, 0.002))
    os.kill(child, signal.SIGKILL)
    ended = os.waitpid(child, 0)[1]
    while more := os.read(reading, 4096):
        said += more
    os.close(reading)
    new = {said[k : k + 5].decode() for k in range(0, len(said), 5)}
    assert not new & acknowledged  # nothing is done twice
    acknowledged |= new
    if (folder / "killed" / "manifest.json").exists():
        there = {row["id"] for row in read_rows(folder / "killed")[1]}
        assert acknowledged <= there and len(there - acknowledged) <= 3, (len(there), len(new))
        acknowledged = there
    if ended == 0:
        break
    killed += 1
run.run_sweep(work, given, of, folder / "whole", at_once)
assert told(read_rows(folder / "killed")[1]) == told(read_rows(folder / "whole")[1])
print(killed, len(there))
"""


def test_killed_at_any_moment_the_resumed_store_holds_the_same(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    killed, rows = map(int, ended.stdout.split())
    assert killed >= 5 and rows == 101
    assert not list((tmp_path / "killed").glob("*.unfinished"))


def test_what_raises_or_takes_its_process_down_is_isolated_and_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch, "TRIES", 2)
    given = tasks([*range(10), "raise", "kill", *range(10, 20)])
    seen = []
    backend = lambda work, left: on_processes(work, left, jobs=1)
    run_sweep(work, given, manifest(given), tmp_path, backend, seen.append)
    _, rows = read_rows(tmp_path)
    failed = {row["case"]: row for row in rows if row["failed"]}
    assert sorted(failed) == ["kill", "raise"]
    assert failed["raise"]["reason"] == "ValueError: no such world\nat all"
    assert failed["kill"]["reason"] == "its worker was ended by SIGKILL"
    assert all(row["tries"] == 2 and row["figure"] is None for row in failed.values())
    assert len(rows) == 22 and (seen[-1].done, seen[-1].failed) == (22, 2)
    good = [task for task in given if isinstance(task.job, int)]
    alone = tmp_path / "alone"
    run_sweep(work, good, manifest(given), alone, at_once)
    assert told(read_rows(alone)[1]) == told([row for row in rows if not row["failed"]])


def test_what_hangs_is_killed_at_its_limit_and_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch, "TRIES", 2)
    given = tasks([*range(4), "hang", "slow", *range(6, 10)])
    backend = lambda work, left: on_processes(work, left, jobs=1, limit=2.0)
    began = time.monotonic()
    run_sweep(work, given, manifest(given), tmp_path, backend)
    assert time.monotonic() - began >= 4.0
    _, rows = read_rows(tmp_path)
    assert len(rows) == 10
    (hung,) = [row for row in rows if row["failed"]]
    assert (hung["case"], hung["tries"]) == ("hang", 2)
    assert hung["reason"] == "it took longer than the limit of 2 s"


def test_a_limit_of_ages_is_none(tmp_path):
    given = tasks(range(3))
    backend = lambda work, left: on_processes(work, left, jobs=2, limit=1e12)
    run_sweep(work, given, manifest(given), tmp_path, backend)
    assert not any(row["failed"] for row in read_rows(tmp_path)[1])


def test_a_dask_worker_is_killed_and_another_one_takes_over(tmp_path):
    distributed = pytest.importorskip("distributed", reason="clusters need the extra sweep")
    given, killed = tasks(["slow"] * 8 + ["raise"]), []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        pids = {worker.pid for worker in cluster.workers.values()}

        def kill(progress):
            if progress.done == 3:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        backend = lambda work, left: on_cluster(work, left, cluster.scheduler_address, jobs=0)
        run_sweep(work, given, manifest(given), tmp_path, backend, kill)
    _, rows = read_rows(tmp_path)
    assert [row["id"] for row in rows] == [task.id for task in given]
    assert [row["case"] for row in rows if row["failed"]] == ["raise"]
    assert killed[0] in pids and {row["process"] for row in rows[:8]} - {killed[0]}


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_a_scheduler_that_does_not_answer_is_told_of(address, monkeypatch, tmp_path):
    pytest.importorskip("distributed", reason="clusters need the extra sweep")
    monkeypatch.setattr("astro_jax.sweep.cluster.PATIENCE", 0.2)
    given = tasks([1])
    with pytest.raises(InputError, match="scheduler"):
        list(on_cluster(work, given, address, jobs=1))


def test_an_interrupted_sweep_keeps_what_is_finished(tmp_path):
    given = tasks(range(10))

    def interrupt(progress):
        if progress.done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(work, given, manifest(given), tmp_path, at_once, interrupt)
    assert [row["case"] for row in read_rows(tmp_path)[1]] == [*"0123456"]


def test_what_is_finished_waits_no_longer_than_it_may(tmp_path, monkeypatch):
    clock = iter(float(k) for k in range(100))
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(run, "BATCH_SECONDS", 4.0)
    given, there = tasks(range(12)), []
    look = lambda progress: there.append(len(list(tmp_path.glob("part-*"))))
    run_sweep(work, given, manifest(given), tmp_path, at_once, look)
    assert there == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3][: len(there)]


def test_workers_with_other_code_are_refused(tmp_path):
    given = tasks(range(3))
    with pytest.raises(InputError, match="on every worker"):
        run_sweep(work, given, manifest(given, code="another"), tmp_path, at_once)
    assert read_rows(tmp_path)[1] == []


def test_a_worker_stays_with_its_group_and_then_goes_where_most_is_left():
    queue = Queue([*tasks(range(12)), *tasks(["x"] * 12)])  # groups a and b, 12 each
    first = queue.take("", ())
    second = queue.take("", [first.group])
    assert {first.group, second.group} == {"a", "b"}
    taken = [queue.take("a", ["b"]).group for _ in range(11)]
    assert set(taken) == {"a"}
    assert queue.take("a", ["b"]).group == "b"
