"""Do what a store does not hold yet.                                                 [host]"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from astro_jax.errors import InputError, StorageError
from astro_jax.sweep.dispatch import Backend, Outcome, Task, Work
from astro_jax.sweep.manifest import Manifest
from astro_jax.sweep.store import Store, open_store

BATCH, BATCH_SECONDS = 256, 10.0
"""Rows and time after which what is finished goes onto the disk: a kill loses no more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a sweep is."""

    total: int
    before: int
    """Done by earlier runs."""
    done: int
    failed: int
    """Of those of this run."""


def run_sweep(
    work: Work,
    tasks: Sequence[Task],
    manifest: Manifest,
    folder: Path,
    backend: Backend,
    show: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Do every task that the store lacks, and add how it came out.

    Raises:
      InputError: the store is of something else (``manifest.keep``), a worker has other code, or
        no worker can be had.
      StorageError: the store cannot be used or written; what was acknowledged is intact.
    """
    with open_store(folder, manifest) as store, ExitStack() as stack:
        before = len(store.done)
        progress = Progress(total=len(tasks), before=before, done=before, failed=0)
        show(progress)
        waiting = _Waiting(store)
        left = [task for task in tasks if task.id not in store.done]
        try:
            for outcome in stack.enter_context(closing(backend(work, left))):
                if outcome.code and outcome.code != manifest.code:
                    expected = f"the code of this sweep ({manifest.code}) on every worker"
                    raise InputError("code", outcome.code, expected)
                waiting.add(row_of(outcome))
                failed = progress.failed + (outcome.figures is None)
                progress = dataclasses.replace(progress, done=progress.done + 1, failed=failed)
                show(progress)
        except StorageError:
            raise  # the disk has refused these rows already
        except BaseException:
            waiting.flush()  # interrupted: keep what is finished
            raise
        waiting.flush()
        return progress


def row_of(outcome: Outcome) -> Mapping[str, Any]:
    """What the store keeps of a task."""
    return {
        "id": outcome.task.id,
        **outcome.task.row,
        "failed": outcome.figures is None,
        "reason": outcome.reason,
        "tries": outcome.tries,
        **(outcome.figures or {}),
    }


class _Waiting:
    """Rows that are not on the disk yet."""

    def __init__(self, store: Store):
        self.store, self.rows, self.since = store, [], time.monotonic()

    def add(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)
        if len(self.rows) >= BATCH or time.monotonic() - self.since >= BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        rows, self.rows = self.rows, []
        self.store.add(rows)
        self.since = time.monotonic()
