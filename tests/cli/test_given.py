"""What the commands check before they begin."""

import errno
import os
import tempfile

import pytest

from astro_jax import cli
from astro_jax.bench import suites
from astro_jax.cli.given import check_writable
from astro_jax.errors import InputError


def test_to_try_a_folder_leaves_nothing_behind(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "there", tmp_path / "new" / "below"):
        check_writable(folder, "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_disk_that_lets_nobody_write_is_found_whoever_asks(tmp_path, monkeypatch):
    """Mounted read-only it refuses root too, whose permissions say that it may."""

    def refused(*given, **named):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    with pytest.raises(InputError, match=r"out is .*new; expected .*Read-only file system"):
        check_writable(tmp_path / "new", "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["json", "results"])
def test_a_bench_is_refused_before_it_drives(option, tmp_path, monkeypatch, capsys):
    begun = []
    monkeypatch.setattr(suites, "run_suite", lambda *given, **named: begun.append(given))
    (tmp_path / "taken").write_text("mine")
    path = tmp_path / "taken" / "below" / "file"
    assert cli.main(["bench", "crossing", f"--{option}", str(path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"astro-jax: {option} is {path.parent}; expected a folder")
    assert not begun
