"""What the system lets the gate have: turns before others, and its memory.            [host]"""

import ctypes
import gc
import os
import signal
import sys
from pathlib import Path

SWITCH = 0.0005
"""s."""
GATE, PLANNER = 10, 5
"""Of SCHED_FIFO: above everything that is not real-time itself, and the gate above the planner."""
NICE = -10
"""Of who may not have that."""
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_PDEATHSIG = 1


def no_pauses() -> None:
    """No garbage collection from now on: what was made so far is kept, new cycles are not made.

    And a thread that wants the interpreter has it within half a millisecond.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(SWITCH)


def few_pauses() -> None:
    """What was made so far is not looked at by the garbage collector any more."""
    gc.collect()
    gc.freeze()


def give_back() -> bool:
    """What was freed goes back to the system, if the C library knows how (glibc).

    Compiling a planner leaves 1 GB of free blocks between others, of 1.6 GB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))


def resident() -> float:
    """Memory of this process that is in use, MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def come_first(priority: int) -> str:
    """All threads of this process before all others, if that is allowed; what it has come to."""
    try:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(priority))
        return f"SCHED_FIFO {priority}"
    except OSError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return f"nice {NICE}"
    except OSError:
        return "none"


def keep_memory() -> str:
    """No page that was touched once is given back, if that is allowed; what it has come to."""
    lock = getattr(ctypes.CDLL(None, use_errno=True), "mlockall", None)
    if lock is None or lock(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        return "none"
    return "locked"


def end_with_parent(parent: int) -> None:
    """This process is killed when the one that started it is gone (Linux)."""
    control = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if control is not None:
        control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)
