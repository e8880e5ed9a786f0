"""Kernels are compiled wherever the package lies, and say the same as Python."""

import threading
import time

import numpy as np

from astro_jax.route.compiled import compiled
from astro_jax.route.march import NOBODY, SEED, march


def test_a_function_without_a_file_is_compiled_without_a_cache():
    # as in an installation that cannot be written and without a cache of the user's
    space: dict = {}
    exec("def half(x):\n    return 0.5 * x", space)
    assert compiled(space["half"])(3.0) == 1.5


def test_others_go_on_while_a_kernel_runs():
    """Everything that happens within one call, in a thread of its own."""
    side = 3000
    slowness = np.full((side, side), np.inf, np.float32)
    slowness[1:-1, 1:-1] = 1.0

    def wave(cells):
        rows, columns = cells.shape
        middle = np.array([columns * (rows // 2) + columns // 2])
        values, owed = np.full(cells.size, np.inf), np.full(cells.size, NOBODY, np.uint8)
        values[middle], owed[middle] = 0.0, SEED
        begun.set()
        march(values, owed, cells.reshape(-1), middle, columns, (1.0, 1.0))

    begun = threading.Event()
    wave(np.pad(np.ones((9, 9), np.float32), 1, constant_values=np.inf))  # compiled
    begun.clear()
    other = threading.Thread(target=wave, args=(slowness,))
    other.start()
    assert begun.wait(60.0)
    rounds = 0
    while other.is_alive():
        time.sleep(0.001)
        rounds += 1
    assert rounds > 20
