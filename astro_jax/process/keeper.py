"""The gate's children: started, watched, started again, and in the end left alone.   [host]

A child that was killed or stopped is known of at the next tick, from the kernel; one that hangs
from its silence (``process/beats.py``), and is killed if that lasts.  One that dies again and again
is a defect that no restart mends: the robot is disarmed, and stays so until a person starts it
anew.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

_AS_ANY = (
    "import os, sys; os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""A child waits its turn like anybody, but not before it is one: until then its parent waits."""
HANGS = 3.0
"""One that was heard and is silent for so long, s, will not come round any more."""
RESTARTS, WITHIN = 3, 60.0
"""A child that has died more often than this within so many seconds is not started again."""


class Child:
    """One of them."""

    def __init__(self, role: str, folder: Path) -> None:
        """Start it."""
        self.role, self._folder = role, folder
        self._deaths: deque[float] = deque(maxlen=RESTARTS + 1)
        self.deaths, self.given_up, self.stopped = 0, False, False
        self._process = self._started()

    @property
    def pid(self) -> int:
        """Of the one that lives now."""
        return self._process.pid

    def look(self, silence: float = 0.0) -> bool:
        """Whether it lives and runs; one that is dead is started again.

        One that hangs is killed: it was heard since its start, and not for ``silence`` s, too long.
        """
        if self.given_up:
            return False
        try:
            pid, status = os.waitpid(self._process.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            pid, status = self._process.pid, 0
        if not pid:
            # it may take long to get ready: what it has not said yet is no silence
            was_heard = silence < time.monotonic() - self._since
            if was_heard and silence > HANGS and not self.stopped:
                self._signal(signal.SIGKILL)
            return not self.stopped
        if os.WIFSTOPPED(status):
            self.stopped = True
            return False
        if os.WIFCONTINUED(status):
            self.stopped, self._since = False, time.monotonic()
            return True
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._died()
        return False

    def end(self, patience: float = 2.0) -> None:
        """Ask it to end; kill it if it does not."""
        if self.given_up:
            return
        for ask in (signal.SIGCONT, signal.SIGTERM):
            self._signal(ask)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _died(self) -> None:
        now = time.monotonic()
        self.deaths, self.stopped = self.deaths + 1, False
        self._deaths.append(now)
        often = len(self._deaths) > RESTARTS and now - self._deaths[0] <= WITHIN
        if often:
            self.given_up = True
        else:
            self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        # no fork of this process: its threads and its device would not survive that
        self._since = time.monotonic()
        command = [sys.executable, "-m", "astro_jax.process", self.role, str(self._folder)]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _AS_ANY, *command],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _signal(self, which: signal.Signals) -> None:
        try:
            self._process.send_signal(which)
        except OSError:
            pass
