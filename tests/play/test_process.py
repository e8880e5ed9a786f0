"""The command line's answers, and the process that runs the loop, from outside."""

import dataclasses
import threading

import pytest

from astro_jax.cli import main
from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.play.layout import Kind, unpack
from astro_jax.play.process import Control
from astro_jax.play.server import listen
from astro_jax.play.setup import Wish
from tests.play.made_up import SMALL


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--host", "0.0.0.0"], "host"),
        (["--host", "192.168.1.7"], "--allow-remote"),
        (["--port", "70000"], "port"),
        (["--map", "nowhere.yaml"], "nowhere.yaml"),
        (["--people", "99"], "people"),
        (["--candidates", "3"], "candidates"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_bad_wishes_get_one_line_and_code_2(arguments, named, capsys):
    assert main(["play", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert named in said
    assert "\n" not in said


def test_port_that_is_taken(capsys):
    with listen("127.0.0.1", 0) as taken:
        assert main(["play", "--port", str(taken.getsockname()[1])]) == 2
    assert "port" in capsys.readouterr().err


def test_process_says_why_it_cannot_begin_and_ends():
    heard, ended = [], threading.Event()
    wish = Wish(
        robot=DEFAULT_ROBOT,
        planner=dataclasses.replace(SMALL, people=2),
        params=PlannerParams(),
        sizes=(SMALL.candidates,),
        people=5,
    )
    control = Control(wish, None, lambda data: heard.append(unpack(data)), ended.set)
    assert ended.wait(120.0)
    control.tell(1, None)  # nobody is there: nothing happens
    control.close()
    kind, head, _ = heard[-1]
    assert (kind, head["phase"]) == (Kind.NEWS, "failed")
    assert "people is 5" in head["note"]
