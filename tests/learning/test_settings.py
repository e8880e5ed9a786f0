"""Learned params load as hand-made ones do."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.settings import params_yaml, write_params
from astro_jax.strict_yaml import load_planner

FIELDS = dataclasses.fields(PlannerParams)


def number(field):
    return st.floats(field.metadata["low"], min(field.metadata["high"], 1e6))


@st.composite
def any_params(draw):
    values = {}
    for field in FIELDS:
        default, one = field.default, number(field)
        several = len(default) if isinstance(default, tuple) else 0
        values[field.name] = draw(st.tuples(*[one] * several) if several else one)
    return PlannerParams(**values)


@given(params=any_params())
def test_whatever_is_learned_loads(tmp_path_factory, params):
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    write_params(path, params, ["learned: from nobody"])
    _, loaded = load_planner(path)
    for field in FIELDS:
        wanted, got = getattr(params, field.name), getattr(loaded, field.name)
        assert np.allclose(got, wanted, rtol=1e-6, atol=0.0)


def test_defaults_load_as_they_are(tmp_path):
    write_params(tmp_path / "params.yaml", PlannerParams())
    assert load_planner(tmp_path / "params.yaml")[1] == PlannerParams()


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1e9])
def test_values_out_of_range_are_not_written(tmp_path, value):
    with pytest.raises(InputError, match="lateral"):
        params_yaml(dataclasses.replace(PlannerParams(), lateral=value))
    with pytest.raises(InputError):
        write_params(tmp_path / "params.yaml", dataclasses.replace(PlannerParams(), lateral=value))
    assert not list(tmp_path.iterdir())
