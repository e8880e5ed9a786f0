"""Who does what next: tasks in, outcomes out, the same for processes and clusters.   [host]

Tasks of one group share what has to be compiled.  A worker stays with its group as long as there
is something left of it, and then goes where the most is left per worker.
"""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

from astro_jax.sweep.manifest import code_digest

Work = Callable[[Any], Mapping[str, Any]]
"""(what a task says is to be done) → its figures.  A function of a module: workers import it."""
TRIES = 3
"""Of a task that raises or takes its worker down, before it is recorded as failed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to be done."""

    id: str
    """Of everything that determines how it comes out."""
    group: str
    row: Mapping[str, Any]
    """Columns that describe it."""
    job: Any
    """What the worker is given."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a task came out."""

    task: Task
    figures: Mapping[str, Any] | None
    """None if it failed."""
    reason: str = ""
    """Why it failed."""
    tries: int = 1
    code: str = ""
    """Digest of the code that did it."""


Backend = Callable[[Work, Sequence[Task]], Generator[Outcome]]


def attempt(work: Work, job: Any) -> tuple[Mapping[str, Any] | None, str, str]:
    """On a worker: (figures or None, why not, digest of the code here)."""
    try:
        return dict(work(job)), "", code_digest()
    except Exception as error:  # whatever it is, it is this task's
        return None, f"{type(error).__name__}: {error}"[:500], code_digest()


class Queue:
    """Tasks that wait, and how often each was tried."""

    def __init__(self, tasks: Iterable[Task]):
        self._waiting: dict[str, deque[Task]] = {}
        self._tries: Counter[str] = Counter()
        for task in tasks:
            self._waiting.setdefault(task.group, deque()).append(task)

    @property
    def left(self) -> bool:
        """Whether anything waits."""
        return any(self._waiting.values())

    def take(self, group: str, others: Iterable[str]) -> Task:
        """The next task for a worker that is set up for ``group``; others are for ``others``."""
        if not self._waiting.get(group):
            served = Counter(others)
            group = max(
                (name for name, tasks in self._waiting.items() if tasks),
                key=lambda name: len(self._waiting[name]) / (1 + served[name]),
            )
        task = self._waiting[group].popleft()
        self._tries[task.id] += 1
        return task

    def failed(self, task: Task, reason: str) -> Outcome | None:
        """Put it back behind the others of its group; the outcome if it was tried enough."""
        tries = self._tries[task.id]
        if tries >= TRIES:
            return Outcome(task=task, figures=None, reason=reason, tries=tries)
        self._waiting[task.group].append(task)
        return None

    def settled(self, task: Task, answer: tuple[Mapping | None, str, str]) -> Outcome | None:
        """The outcome of what ``attempt`` answered; None if it is to be tried again."""
        figures, reason, code = answer
        if figures is None:
            return self.failed(task, reason)
        return Outcome(task=task, figures=figures, tries=self._tries[task.id], code=code)
