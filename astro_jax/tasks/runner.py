"""One task at a time, the newest wins, and any can be cancelled at any moment.       [host]

Tasks come in whenever; beliefs at 5 to 10 Hz; directives go out.  Simulator and robot use the same
one: what a directive means for the layers below is in ``navigator`` (``think`` with its field and
gaze, then ``halt`` and ``keep_to``).
"""

import threading
from collections import deque

from astro_jax.errors import InputError
from astro_jax.tasks.going import brake
from astro_jax.tasks.nouns import Belief, Directive, Outcome, Result, Setting, Task
from astro_jax.tasks.step import Memory, begin, step

KEPT = 64
"""Results that nobody has asked for."""


class TaskRunner:
    """All methods may be called from any thread."""

    def __init__(self, setting: Setting) -> None:
        """Nothing to do yet."""
        self._setting = setting
        self._lock = threading.Lock()
        self._tickets = 0
        self._memory: Memory | None = None
        self._e_stopped = False
        self._results: deque[tuple[int, Result]] = deque(maxlen=KEPT)

    @property
    def busy(self) -> bool:
        """Whether there is a task."""
        return self._memory is not None

    def give(self, task: Task, time: float) -> int:
        """Take a task on from now (s, monotonic); returns its ticket.

        Raises:
          InputError: it makes no sense, or the emergency stop is pressed; the task under way, if
            there is one, goes on.
        """
        with self._lock:
            if self._e_stopped:
                raise InputError("task", type(task).__name__, "no emergency stop")
            memory = begin(self._setting, task, time)
            if self._memory is not None:
                self._results.append((self._tickets, Result(outcome=Outcome.REPLACED)))
            self._tickets += 1
            self._memory = memory
            return self._tickets

    def cancel(self) -> None:
        """There is nothing to do any more; the robot brakes at the next step."""
        with self._lock:
            if self._memory is not None:
                self._results.append((self._tickets, Result(outcome=Outcome.CANCELLED)))
            self._memory = None

    def tick(self, belief: Belief) -> Directive:
        """What the layers below are told until the next one."""
        with self._lock:
            memory, self._e_stopped = self._memory, belief.e_stopped
            if memory is None:
                return brake("nothing to do")
            try:
                after, directive, result = step(self._setting, memory, belief)
            except Exception as error:  # a robot whose task layer breaks down has to stop
                result = Result(outcome=Outcome.FAILED, detail=repr(error))
                after, directive = memory, brake()
            self._memory = after if result is None else None
            if result is not None:
                self._results.append((self._tickets, result))
            return directive

    def results(self) -> list[tuple[int, Result]]:
        """(Ticket, result) of the tasks that have ended since the last call, in order."""
        with self._lock:
            found, self._results = list(self._results), deque(maxlen=KEPT)
            return found
