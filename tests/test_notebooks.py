"""Every notebook runs from top to bottom as it is committed; few samples are enough here."""

from pathlib import Path

import jax
import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


# the kernel's own plumbing warns about event loops and sockets
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("ASTRO_JAX_TINY", "1")
    # kernels are processes of their own: what one has compiled the next one need not
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", folder)
        monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert not [out for out in shown if out.output_type == "error"]
    assert any("image/png" in out.get("data", {}) for out in shown)


def test_there_are_notebooks():
    assert NOTEBOOKS
