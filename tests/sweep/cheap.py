"""Work that takes no time; what comes of it depends on a number alone."""

import math
import os
import signal
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from astro_jax.sweep.dispatch import Outcome, Queue, Task, Work, attempt
from astro_jax.sweep.manifest import Manifest, code_digest


def work(job: int | str) -> Mapping[str, Any]:
    """Figures of a number; words do harm."""
    if job == "raise":
        raise ValueError("no such world\nat all")
    if job == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "hang":
        time.sleep(1e6)
    if job == "slow":
        time.sleep(0.3)
        return {"figure": 0.5, "process": os.getpid()}
    number = int(job)
    return {
        "success": number % 3 > 0,
        "count": number * 10**12,
        "figure": math.sin(number) / 3,
        "time": math.nan if number % 5 == 0 else math.exp(number / 7),
        "said": f"né {number}",
        "often": None if number < 20 else number / 3,
        "process": os.getpid(),
    }


def tasks(jobs: Sequence[int | str]) -> list[Task]:
    return [
        Task(id=f"t{k:04d}", group="ab"[k % 2], row={"setting": k % 4, "case": str(job)}, job=job)
        for k, job in enumerate(jobs)
    ]


def manifest(given: Sequence[Task], **changed: Any) -> Manifest:
    fields: dict[str, Any] = {
        "code": code_digest(),
        "commit": "abc",
        "versions": {"python": "3"},
        "data": "d",
        "kind": "grid",
        "swept": ["params.patience"],
        "settings": [{"params.patience": float(k)} for k in range(4)],
        "tasks": [task.id for task in given],
    }
    return Manifest(**{**fields, **changed})


def at_once(work: Work, tasks: Sequence[Task]) -> Generator[Outcome]:
    """In this process, one after the other."""
    queue = Queue(tasks)
    while queue.left:
        task = queue.take("", ())
        outcome = queue.settled(task, attempt(work, task.job))
        if outcome is not None:
            yield outcome


def told(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows as text, so that NaN equals NaN; without what the process was."""
    return [repr({k: v for k, v in row.items() if k != "process"}) for row in rows]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}
