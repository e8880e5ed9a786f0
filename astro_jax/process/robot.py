"""A robot, from a start to its end: what ``astro-jax robot`` does.                    [host]"""

import os
from pathlib import Path

from astro_jax.process.folder import Start, folder_of, locked, swept, write_start
from astro_jax.process.gate_process import run_gate
from astro_jax.process.parts import artifact_of
from astro_jax.process.route_process import check_goal


def run_robot(start: Start) -> int:
    """Drive until SIGTERM; see ``run_gate``.

    Raises:
      InputError: something is unusable, or a robot of this name runs already.
    """
    folder = folder_of(start.name)
    lock = locked(folder)
    try:
        artifact_of(start)
        check_goal(start)
        if start.log is not None:
            Path(start.log).mkdir(parents=True, exist_ok=True)
        swept(folder)
        write_start(folder, start)
        return run_gate(folder, start)
    finally:
        os.close(lock)
