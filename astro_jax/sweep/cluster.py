"""Work on Dask workers, on this machine or others, which may die and join.           [host]

Every worker has one task at a time, so that when it is lost, it is known with what.  Tasks are
bound to their worker and tried again here, not by Dask: it would count a death against whatever
else waits for that worker, and a task that only prefers a worker that is gone can wait for ever
(seen with distributed 2026.8, when all workers were gone for a moment).  Workers need this package,
and the suites' data under the same path.
"""

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

from astro_jax.errors import InputError
from astro_jax.sweep.dispatch import Outcome, Queue, Task, Work, attempt

LOCAL = "local"
"""Instead of an address: a cluster on this machine."""
PATIENCE = 10.0
"""For a scheduler to answer, s."""
LOOK = 1.0
"""How often workers that have joined or are gone are looked for, s."""
LOST = "its worker was lost"


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
            workers = set(client.nthreads())
            for future, (task, worker) in list(pending.items()):
                if worker not in workers:
                    del pending[future]
                    future.cancel()
                    outcome = queue.failed(task, LOST)
                    if outcome is not None:
                        yield outcome
            for worker in sorted(workers - {worker for _, worker in pending.values()}):
                if queue.left:
                    others = [groups.get(other, "") for other in workers if other != worker]
                    task = queue.take(groups.get(worker, ""), others)
                    groups[worker] = task.group
                    key, sent = f"{task.id}-{sent}", sent + 1
                    future = client.submit(
                        attempt, work, task.job, key=key, workers=[worker], pure=False
                    )
                    pending[future] = task, worker
            if not pending:
                time.sleep(LOOK)  # until a worker joins
                continue
            with suppress(TimeoutError):
                wait(list(pending), timeout=LOOK, return_when="FIRST_COMPLETED")
            for future in [future for future in pending if future.done()]:
                try:
                    answer = future.result(timeout=PATIENCE)
                except TimeoutError:
                    continue  # its worker died before it could be asked
                except CancelledError:  # the scheduler is gone, and nobody knows of the task
                    raise
                except Exception as error:  # the task could not even be sent
                    answer = None, f"{type(error).__name__}: {error}"[:500], ""
                outcome = queue.settled(pending.pop(future)[0], answer)
                future.release()
                if outcome is not None:
                    yield outcome


@contextmanager
def _client(address: str, jobs: int) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        expected = "the extra sweep (pip install 'astro-jax[sweep]')"
        raise InputError("scheduler", address, expected) from error
    if address == LOCAL:
        with (
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
