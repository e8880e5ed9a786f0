import os
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

jax.config.update("jax_numpy_rank_promotion", "raise")
if (ROOT / ".venv").is_dir():
    # All that is compiled is kept: a second run starts several times faster, and of what many
    # tests begin with (arrays of zeros, keys) each worker compiles only what the other has not.
    # The folder must be trusted, so it is not in a temporary directory.
    jax.config.update("jax_compilation_cache_dir", str(ROOT / ".venv" / ".jax_test_cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# the same examples in every run, or a change would answer for what another one left to be found;
# new ones are looked for by the soak
settings.register_profile("known", settings(), deadline=None, derandomize=True)
settings.register_profile("search", settings(), deadline=None)
settings.load_profile("known")


@pytest.fixture(scope="module")
def compiled_quickly() -> Iterator[None]:
    """For what is compiled for a few calls only: in half the time, to run a quarter as fast."""
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # of processes that are started
        yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Reference data sets; see the README for their layout."""
    folder = Path(os.environ.get("ASTRO_JAX_DATA") or ROOT / ".." / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}: set ASTRO_JAX_DATA")
    return folder.resolve()
