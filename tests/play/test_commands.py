"""Whatever a page says is a command, or an error that names what is wrong."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from astro_jax.errors import InputError
from astro_jax.play.commands import COMMANDS, FAR, Goal, Walk, parse, text_of
from astro_jax.play.sliders import SLIDERS, STARTS, moved

PLACES = some.floats(-FAR, FAR)
ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {field.name for cls in COMMANDS.values() for field in dataclasses.fields(cls)}


@given(PLACES, PLACES, some.floats(-10, 10), some.booleans(), some.booleans())
def test_round_trip(x, y, yaw, faces, held):
    goal = Goal(x=x, y=y, yaw=yaw, faces=faces, held=held)
    assert parse(text_of(goal)) == goal


@given(some.text() | some.binary() | ANYTHING.map(json.dumps))
def test_noise_is_refused(text):
    with pytest.raises(InputError):
        parse(text)


@given(
    some.sampled_from(sorted(COMMANDS)),
    some.dictionaries(some.sampled_from(sorted(FIELDS | {"do", "other"})), ANYTHING, max_size=5),
)
def test_what_is_accepted_is_within_its_ranges(name, fields):
    try:
        command = parse(json.dumps({**fields, "do": name}))
    except InputError:
        return
    assert type(command) is COMMANDS[name]
    assert set(fields) - {"do"} <= {field.name for field in dataclasses.fields(command)}
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if "low" in field.metadata:
            assert field.metadata["low"] <= value <= field.metadata["high"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"do": "goal", "x": NaN, "y": 0}', "number"),
        ('{"do": "goal", "x": 1e999, "y": 0}', "x"),
        ('{"do": "goal", "x": 1e30, "y": 0}', "x"),
        ('{"do": "goal", "x": "1", "y": 0}', "x"),
        ('{"do": "goal", "x": true, "y": 0}', "x"),
        ('{"do": "goal", "y": 0}', "x"),
        ('{"do": "goal", "x": 1, "x": 2, "y": 0}', "names"),
        ('{"do": "goal", "x": 1, "y": 0, "z": 0}', "z"),
        ('{"do": "person", "who": 1.5, "x": 1, "y": 0}', "who"),
        ('{"do": "shutdown"}', "do"),
        ('{"do": ["goal"], "x": 1, "y": 0}', "do"),
        ("[1]", "message"),
        ('{"do": "stop", "pad": "' + 2000 * "x" + '"}', "message"),
        ("[" * 400 + "]" * 400, "message"),
    ],
)
def test_what_is_wrong_is_named(text, named):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.field == named


def test_sliders_keep_their_ranges():
    assert moved(STARTS, "latency", 0.5)["latency"] == 0.5
    for slider in SLIDERS:
        for value in (slider.low - 0.01, slider.high + 0.01, float("nan")):
            with pytest.raises(InputError, match=slider.name):
                moved(STARTS, slider.name, value)
    with pytest.raises(InputError, match="warp"):
        moved(STARTS, "warp", 1.0)


def test_walk_needs_a_place():
    assert parse('{"do": "walk", "who": 0, "x": 1, "y": 2}') == Walk(who=0, x=1.0, y=2.0)
