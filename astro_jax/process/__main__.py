"""A child of the gate: ``python -m astro_jax.process ROLE FOLDER``.                   [host]"""

import os
import sys
from pathlib import Path

from astro_jax.errors import InputError
from astro_jax.process.folder import read_start
from astro_jax.process.rights import end_with_parent


def main() -> int:
    """Run it; 2 if its input is unusable."""
    role, folder = sys.argv[1], Path(sys.argv[2])
    end_with_parent(os.getppid())
    start = read_start(folder)
    try:
        if role == "planner":
            from astro_jax.process.planner_process import run_planner

            return run_planner(folder, start)
        from astro_jax.process.route_process import run_route

        return run_route(folder, start)
    except InputError as error:
        print(f"robot: {role}: {error}", file=sys.stderr, flush=True)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
