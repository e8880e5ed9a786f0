"""Work on Dask workers, on this machine or others, which may die and join.           [host]

Every worker has one task at a time, so that when it dies, it is known of what: Dask tries that
task elsewhere, and gives it up when it has taken down too many.  Workers need this package, and
the suites' data under the same path.
"""

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from astro_jax.errors import InputError
from astro_jax.sweep.dispatch import TRIES, Outcome, Queue, Task, Work, attempt

LOCAL = "local"
"""Instead of an address: a cluster on this machine."""
PATIENCE = 10.0
"""For a scheduler to answer, s."""
LOOK = 1.0
"""How often workers that have joined are looked for, s."""


def on_cluster(work: Work, tasks: Sequence[Task], address: str, jobs: int) -> Generator[Outcome]:
    """Outcomes as they come; a local cluster has ``jobs`` workers.

    Raises:
      InputError: no Dask is installed, or nobody answers at the address.
    """
    if not tasks:
        return
    with _client(address, jobs) as client:
        from distributed import wait

        queue = Queue(tasks)
        groups: dict[str, str] = {}
        pending: dict[Any, tuple[Task, str]] = {}
        sent = 0
        while queue.left or pending:
            workers = list(client.nthreads())
            taken = {worker for _, worker in pending.values()}
            for worker in workers:
                if worker not in taken and queue.left and len(pending) < len(workers):
                    others = [groups.get(other, "") for other in workers if other != worker]
                    task = queue.take(groups.get(worker, ""), others)
                    groups[worker] = task.group
                    sent += 1
                    future = client.submit(
                        attempt,
                        work,
                        task.job,
                        key=f"{task.id}-{sent}",
                        workers=[worker],
                        allow_other_workers=True,
                        pure=False,
                    )
                    pending[future] = task, worker
            if not pending:
                time.sleep(LOOK)  # until a worker joins
                continue
            try:
                wait(list(pending), timeout=LOOK, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue
            for future in [future for future in pending if future.done()]:
                outcome = outcome_of(future, pending.pop(future)[0], queue)
                future.release()
                if outcome is not None:
                    yield outcome


def outcome_of(future: Any, task: Task, queue: Queue) -> Outcome | None:
    """What a finished future holds; None if the task is to be tried again."""
    from distributed import KilledWorker

    try:
        answer = future.result()
    except KilledWorker as error:  # Dask has tried it elsewhere
        tries = error.allowed_failures + 1
        reason = f"{tries} workers died of it, the last at {error.last_worker.address}"
        return Outcome(task=task, figures=None, reason=reason, tries=tries)
    except CancelledError:  # the scheduler is gone, and nobody knows of the task
        raise
    except Exception as error:
        return queue.failed(task, f"{type(error).__name__}: {error}"[:500])
    return queue.settled(task, answer)


@contextmanager
def _client(address: str, jobs: int) -> Iterator[Any]:
    try:
        from dask import config
        from distributed import Client, LocalCluster
    except ImportError as error:
        expected = "the extra sweep (pip install 'astro-jax[sweep]')"
        raise InputError("scheduler", address, expected) from error
    if address == LOCAL:
        settings = {"distributed.scheduler.allowed-failures": TRIES - 1}
        with (
            config.set(settings),
            LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # whatever else runs here
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        expected = f"the address of a Dask scheduler such as tcp://host:8786 ({error})"
        raise InputError("scheduler", address, expected) from error
    with client:
        try:
            yield client
        except (OSError, CancelledError) as error:
            expected = f"a scheduler that stays until the end ({type(error).__name__})"
            raise InputError("scheduler", address, expected) from error
