"""``astro-jax bench SUITE --plots``: a picture of what failed, and of nothing else."""

import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra viz")

from PIL import Image

from astro_jax import cli
from astro_jax.bench import suites
from astro_jax.cli.failures import Failures, failures_into, picture_name
from astro_jax.errors import InputError
from tests.viz.test_failed import FAILED, SETUP, case_of, trace_at

CASES = ("fine", "touches", "out of time/2")


class MadeUp:
    """A suite with one episode that ends well, and two that do not."""

    VARIANTS = ("plain",)

    def setup(self, variant):
        return SETUP

    def load(self, folder, setup, variant):
        return {name: lambda seed, name=name: (name, case_of()) for name in CASES}

    def driver(self, setup, variant):
        return lambda case, seed, params: trace_at()

    def judge(self, case, setup, trace):
        raise NotImplementedError


def player(order, driver=None, setup=None, watch=suites.unwatched):
    """As the suite's own, without its driving."""

    def play(name, run, params=None):
        row = {
            **{"seed": 0, "stratum": "all", "wall_s": 0.0},
            "success": name == "fine",
            "collision": name == "touches",
            "timeout": name == CASES[2],
        }
        told = {"suite": order.suite, "variant": order.variant, "planner": order.planner}
        watch(case_of(), SETUP, trace_at(), {**told, "case": name, "run": run, **row})
        return row

    return play


@pytest.fixture
def suite(monkeypatch):
    monkeypatch.setattr(suites, "SUITES", {"crossing": MadeUp()})
    monkeypatch.setattr(suites, "player", player)
    monkeypatch.setattr(suites, "commit", lambda: "abc")


def test_failures_and_only_failures_get_a_picture(suite, tmp_path):
    folder, results = tmp_path / "new" / "pictures", tmp_path / "results.jsonl"
    command = ["bench", "crossing", "--plots", str(folder), "--results", str(results)]
    assert cli.main(command) == 0
    expected = {picture_name("crossing", "plain", name, 0) for name in CASES[1:]}
    assert {path.name for path in folder.iterdir()} == expected
    assert "crossing-plain-touches-0.png" in expected
    for path in folder.iterdir():
        assert path.stat().st_size < 200_000
        with Image.open(path) as picture:
            assert picture.size == (1440, 1040)
    # what is done is not driven again
    (folder / "crossing-plain-touches-0.png").unlink()
    assert cli.main([*command, "--runs", "2"]) == 0
    again = {picture_name("crossing", "plain", name, run) for name in CASES[1:] for run in (0, 1)}
    assert {path.name for path in folder.iterdir()} == again - {"crossing-plain-touches-0.png"}


def test_without_a_folder_there_is_no_picture(suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "crossing"]) == 0
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_goes_away_while_it_is_driven_is_told_in_a_line(
    suite, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "pictures"
    made = failures_into(folder)
    folder.rmdir()
    folder.write_text("a file now")
    with pytest.raises(InputError, match="plots"):
        made(case_of(), SETUP, trace_at(), FAILED)
    assert folder.read_text() == "a file now"


def test_a_picture_that_cannot_be_finished_leaves_none(tmp_path, monkeypatch):
    import astro_jax.learning.archive as archive

    def full(*given):
        raise OSError(28, "No space left on device")

    made = failures_into(tmp_path / "pictures")
    monkeypatch.setattr(archive.os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        made(case_of(), SETUP, trace_at(), FAILED)
    assert not [*made.folder.iterdir()]


def test_whoever_draws_can_be_sent_to_another_process():
    made = Failures(folder=Path("somewhere"))
    assert pickle.loads(pickle.dumps(made)) == made


def test_names_of_files_are_plain_and_apart():
    assert picture_name("barn", "lidar", "237", 0) == "barn-lidar-237-0.png"
    name = picture_name("crossing", "0", "doorway-1.4-009", 3)
    assert name == "crossing-0-doorway-1.4-009-3.png"
    # an episode of one variant does not take the place of another's
    assert name != picture_name("crossing", "300", "doorway-1.4-009", 3)
    odd = ["a/b", "a_b", "a b", "../b", "a\\b", "ä", "x" * 300, "x" * 301, "a\0b", "a\nb"]
    names = [picture_name("homes", "500", case, 0) for case in odd]
    assert len(set(names)) == len(odd)
    for name in names:
        assert len(name) < 150 and Path(name).name == name and name.isascii()
        assert not set(name) & set(" /\\\n\0")


def test_the_same_episode_is_the_same_file(tmp_path):
    made = failures_into(tmp_path)
    kept = []
    for _ in range(2):
        made(case_of(), SETUP, trace_at(), FAILED)
        (path,) = tmp_path.iterdir()
        kept.append(path.read_bytes())
    assert kept[0] == kept[1] and np.frombuffer(kept[0][:4], np.uint8).tolist() == [137, 80, 78, 71]


def test_without_matplotlib_nothing_is_driven(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "astro_jax.viz.failed", None)
    with pytest.raises(InputError, match="viz"):
        failures_into(tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()
