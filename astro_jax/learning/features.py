"""What the objective is linear in: the unweighted cost terms, and whose weight each of them has.

    J = θ·f,   f the ``CostTerms``,   θ = ∂J/∂f

θ is the slope of ``local.objective.total`` itself, so that the two cannot drift apart.  Progress
has no weight: it is the unit (−1), and all weights say how many seconds of it a unit of their
term is worth.  All other params (patience, personal space, what is believed of walls and people)
enter the terms and stay as they are while weights are fitted.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.local.objective import total
from astro_jax.types import CostTerms, Scalar

WEIGHT_OF: Mapping[str, str] = {
    "touched": "harm_person_rest",
    "struck": "harm_person_moving",
    "pushed": "harm_person_speed",
    "bumped": "harm_wall",
    "rammed": "harm_wall_speed",
    "fallen": "harm_edge",
    "acceleration": "acceleration",
    "turning": "turning",
    "lateral": "lateral",
    "reversing": "reversing",
    "intrusion": "intrusion",
    "unannounced": "unannounced",
}
"""Of each term but progress: the name of its weight in ``PlannerParams``."""
TERMS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(CostTerms))
"""The order of features in a vector."""
WEIGHTS: tuple[str, ...] = tuple(WEIGHT_OF[term] for term in TERMS if term in WEIGHT_OF)
"""All params that can be fitted to demonstrations."""
COMFORT = ("acceleration", "turning", "lateral", "reversing", "intrusion")
"""Those that demonstrations tell of.  How bad harm is cannot be learned from people who do none,
and a walker has no screen."""


def vector(terms: CostTerms) -> Float[Array, "*batch F"]:
    """f: the terms in the order of ``TERMS`` as a last axis."""
    return jnp.stack([getattr(terms, name) for name in TERMS], axis=-1)


def slopes(params: PlannerParams) -> Float[Array, "F"]:
    """θ = ∂J/∂f, in seconds of progress per unit of each term."""
    nothing = CostTerms(**{name: jnp.float32(0.0) for name in TERMS})
    return vector(jax.grad(total, argnums=1)(params, nothing))


def with_weights(
    params: PlannerParams, names: Sequence[str], values: Sequence[Scalar]
) -> PlannerParams:
    """The same params with other values of the named ones."""
    return dataclasses.replace(params, **dict(zip(names, values, strict=True)))


def check_weights(params: PlannerParams, names: Sequence[str]) -> None:
    """Refuse what cannot be fitted.

    Raises:
      InputError: no name, one that is no weight, one twice, or a weight that is not positive:
        it is moved by factors.
    """
    if not names or len(set(names)) < len(names):
        raise InputError("weights", list(names), "some names, each of them once")
    for name in names:
        if name not in WEIGHTS:
            raise InputError("weights", name, f"one of {', '.join(WEIGHTS)}")
        if not float(getattr(params, name)) > 0.0:
            found = getattr(params, name)
            raise InputError(name, found, "a weight above 0: it is moved by factors")
