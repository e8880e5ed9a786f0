"""Work on processes of this machine, which may die.                                  [host]

Each process has a core and a compilation of its own, and one task at a time: when it dies, it is
known of what.  Another one takes its place.  One that hangs is known of only by a limit of time.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Generator, Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

from astro_jax.errors import InputError
from astro_jax.sweep.dispatch import Outcome, Queue, Task, Work, attempt

LOOK_AGAIN = 60.0
"""At the latest, s: the system waits for no number of milliseconds of more than 31 bits."""


def on_processes(
    work: Work, tasks: Sequence[Task], jobs: int, limit: float = math.inf
) -> Generator[Outcome]:
    """Outcomes as they come.

    A task that takes longer than ``limit``, s, has failed: its process is killed.

    Raises:
      InputError: a process ends before it could begin.
    """
    queue = Queue(tasks)
    seats = [_Seat(work, k) for k in range(min(jobs, len(tasks)))]
    try:
        while queue.left or any(seat.task for seat in seats):
            for seat in seats:
                if seat.task is None and queue.left:
                    others = [other.group for other in seats if other is not seat]
                    seat.give(queue.take(seat.group, others))
            busy = {seat.pipe: seat for seat in seats if seat.task}
            left = min(seat.left(limit) for seat in busy.values())
            heard = connection.wait(list(busy), min(max(left, 0.0), LOOK_AGAIN))
            late = [one for pipe, one in busy.items() if pipe not in heard and one.left(limit) <= 0]
            for pipe in heard:
                outcome = _hear(busy[pipe], queue)  # pyright: ignore[reportArgumentType]
                if outcome is not None:
                    yield outcome
            for seat in late:
                outcome = _give_up(seat, queue, limit)
                if outcome is not None:
                    yield outcome
    finally:
        for seat in seats:
            seat.close()


def _hear(seat: "_Seat", queue: Queue) -> Outcome | None:
    """What a process says, or that it is no more."""
    task = seat.task
    assert task is not None
    try:
        answer = seat.pipe.recv()
    except (EOFError, OSError):
        if not seat.begun:
            raise InputError("jobs", "unable to start", "worker processes that start") from None
        reason = seat.replace()
        return queue.failed(task, reason)
    if answer is None:  # it is up and about to begin
        seat.begun, seat.since = True, time.monotonic()
        return None
    seat.task = None
    return queue.settled(task, answer)


def _give_up(seat: "_Seat", queue: Queue, limit: float) -> Outcome | None:
    """Of a process that is silent for too long."""
    task = seat.task
    assert task is not None
    seat.process.kill()
    seat.replace()
    return queue.failed(task, f"it took longer than the limit of {limit:g} s")


class _Seat:
    """A process, and what it is doing."""

    def __init__(self, work: Work, number: int):
        self.work, self.number = work, number
        self.task: Task | None = None
        self.group = ""
        self.since = 0.0
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.begun = False
        self.process = context.Process(
            target=_serve, args=(theirs, self.work, self.number), daemon=True
        )
        self.process.start()
        theirs.close()  # so that its end is the end of the pipe

    def give(self, task: Task) -> None:
        self.task, self.group, self.since = task, task.group, time.monotonic()
        try:
            self.pipe.send(task.job)
        except OSError:
            pass  # it has died while it waited: the next word from it says so

    def left(self, limit: float) -> float:
        """Seconds that its task may still take; before it is up they do not run."""
        return self.since + limit - time.monotonic() if self.begun else math.inf

    def replace(self) -> str:
        """Start another process; how the old one ended."""
        self.process.join(5.0)
        code = self.process.exitcode
        self.close()
        self.task, self.group = None, ""
        self._start()
        if code is not None and code < 0:
            return f"its worker was ended by {signal.Signals(-code).name}"
        return f"its worker ended with code {code}"

    def close(self) -> None:
        self.process.kill()
        self.process.join(5.0)
        self.pipe.close()


def _serve(pipe: Connection, work: Work, number: int) -> None:
    """In the process: do what comes, one after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who gives the tasks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):  # before JAX makes its threads
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
    pipe.send(None)
    while True:
        try:
            job: Any = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(work, job))


def _end_with_parent() -> None:
    """Nobody waits for the answer of a process whose parent was killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
