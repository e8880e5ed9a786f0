"""θ·f is the objective, whatever the params: the fit and the planner mean the same."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.features import (
    COMFORT,
    TERMS,
    WEIGHT_OF,
    WEIGHTS,
    check_weights,
    slopes,
    vector,
    with_weights,
)
from astro_jax.local.objective import total
from astro_jax.types import CostTerms

quick_slopes, quick_total = jax.jit(slopes), jax.jit(total)
number = st.floats(0.0625, 128.0, width=32)


@given(
    weights=st.lists(number, min_size=len(WEIGHTS), max_size=len(WEIGHTS)),
    features=st.lists(st.floats(-50.0, 50.0, width=32), min_size=len(TERMS), max_size=len(TERMS)),
)
def test_slopes_times_features_are_the_objective(weights, features):
    params = jax.tree.map(jnp.float32, with_weights(PlannerParams(), WEIGHTS, weights))
    terms = CostTerms(**dict(zip(TERMS, map(jnp.float32, features), strict=True)))
    by_name = -terms.progress + sum(
        getattr(params, WEIGHT_OF[term]) * getattr(terms, term) for term in WEIGHT_OF
    )
    scale = np.sum(np.abs(np.array(quick_slopes(params)) * np.array(features)))
    assert float(quick_slopes(params) @ vector(terms)) == pytest.approx(
        float(quick_total(params, terms)), abs=1e-5 * scale + 1e-6
    )
    assert float(by_name) == pytest.approx(
        float(quick_total(params, terms)), abs=1e-5 * scale + 1e-6
    )


def test_the_table_names_every_param_that_enters_linearly_and_no_other():
    params = jax.tree.map(jnp.float32, PlannerParams())
    moves = jax.jacobian(slopes)(params)
    for field in dataclasses.fields(PlannerParams):
        slope = np.array(jax.tree.leaves(getattr(moves, field.name)))
        term = next((t for t, name in WEIGHT_OF.items() if name == field.name), None)
        wanted = np.array([float(name == term) for name in TERMS])
        assert np.array_equal(slope.reshape(-1, len(TERMS)), np.tile(wanted, (len(slope), 1)))
    assert set(WEIGHT_OF) == set(TERMS) - {"progress"}
    assert set(COMFORT) < set(WEIGHTS)


@pytest.mark.parametrize(
    ("names", "found"),
    [((), "weights"), (("lateral", "lateral"), "weights"), (("patience",), "weights")],
)
def test_what_cannot_be_fitted_is_refused(names, found):
    with pytest.raises(InputError) as error:
        check_weights(PlannerParams(), names)
    assert error.value.field == found


def test_a_weight_of_zero_cannot_be_moved_by_factors():
    with pytest.raises(InputError) as error:
        check_weights(PlannerParams(lateral=0.0), ("lateral",))
    assert error.value.field == "lateral"
