"""From drives to weights: candidates are right, and what is held out is not learned from."""

import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning import proposals
from astro_jax.learning.features import TERMS, slopes
from astro_jax.learning.lessons import Shown, held_out, resampled, shown
from astro_jax.learning.maxent import Recipe, log_likelihood
from tests.learning.planted import NAMES, PRIOR, WIDE, WORLDS
from tests.learning.test_situations import straight
from tests.local.conftest import SMALL


def around_what_was_done(robot, config, guess, situation, log_match, key):
    size = situation.z.size
    centre = jnp.clip(situation.z, -2.0, 2.0).reshape(1, size)
    spread = jnp.array([0.1, 0.3])[:, None, None] * jnp.eye(size)[None]
    return proposals.Mixture(centre=centre, spread=spread[None])


@pytest.mark.parametrize(
    "around_modes",
    [False, pytest.param(True, marks=pytest.mark.soak)],
    ids=["around what was done", "around modes"],
)
def test_candidates_of_a_drive(compiled_quickly, monkeypatch, around_modes):
    if not around_modes:  # the search for modes compiles for longer than all other tests here
        monkeypatch.setattr(proposals, "_around_modes", around_what_was_done)
    told = []
    moments = shown(
        DEFAULT_ROBOT,
        SMALL,
        PlannerParams(),
        [straight(seconds=7.0)],
        [(PlannerParams(), 10.0)],
        each=40,
        tell=lambda *words: told.append(words),
    )
    assert moments.of == ("hall/7",) and moments.groups() == ["hall"] and told[-1][1:] == (1, 1)
    choices = jax.tree.map(jnp.asarray, moments.choices)
    weight = np.exp(np.array(choices.log_weight[0], np.float64))
    count = len(weight)
    # ∫ du = 1, with its own standard error; no weight above 4 (its 1/K with it)
    assert abs(weight.sum() - 1.0) < 4.0 * weight.std() * np.sqrt(count)
    assert weight.max() <= 4.0 / count * (1.0 + 1e-5)
    assert np.isfinite(np.array(choices.features)).all()
    # candidates that match what was done are among them, and cost much like it
    match = np.array(choices.log_match[0])
    assert match.max() > -1.0 and (match > -3.0).sum() > 20
    cost = np.array(choices.features[0] @ slopes(jax.tree.map(jnp.float32, PRIOR)))
    # .6 m/s for 3 s, discounted by 4 s, of a way that is driven at .9 of .75 m/s
    progress = 0.6 / (0.9 * 0.75) * 4.0 * (1.0 - np.exp(-3.0 / 4.0))
    near = np.array(choices.features[0, match > -1.0, TERMS.index("progress")])
    assert np.allclose(np.median(near), progress, rtol=0.1)
    assert cost.min() < np.median(cost)
    # who chooses sharply is likelier to have done this than who chooses at random
    params = jax.tree.map(jnp.float32, PRIOR)
    assert log_likelihood(choices, params, 5.0)[0] > log_likelihood(choices, params, 0.1)[0] + 1.0


def test_without_a_usable_moment_nothing_is_learned():
    with pytest.raises(InputError, match="2 walled in"):
        shown(
            DEFAULT_ROBOT,
            SMALL,
            PlannerParams(),
            [dataclasses.replace(straight(), goal=np.array([7.99, 0.0, 0.0]))],
            [(PlannerParams(), 10.0)],
            each=1,
        )


def test_weights_of_others_say_what_is_held_out(planted):
    choices, _, _ = planted
    of = tuple(f"{'abc'[k % 3]}/{k // 6}" for k in range(WORLDS))
    moments = Shown(choices=jax.device_get(choices), of=of, left_out=Counter())
    rows = held_out(moments, PRIOR, NAMES, WIDE)
    assert [row.group for row in rows] == ["a", "b", "c"]
    assert sum(row.moments for row in rows) == WORLDS
    for row in rows:
        assert row.low < row.gain < row.high
        assert row.gain == pytest.approx(row.hand - row.learned, abs=1e-5)
        # the planted weights are far from the hand-tuned ones
        assert row.low > 0.0
    with pytest.raises(InputError, match="two places"):
        held_out(dataclasses.replace(moments, of=("a/1",) * WORLDS), PRIOR, NAMES, Recipe())


def test_intervals_are_as_wide_as_drives_are_few():
    random = np.random.default_rng(0)
    own = random.normal(size=60)
    drives = np.repeat(np.arange(60), 5)
    gains = own[drives] + 1e-3 * random.normal(size=300)
    low, high = resampled(gains, drives, 0)
    # five moments of a drive that are alike tell no more than one: ± 1.96 σ/√60
    half = 1.96 * own.std() / np.sqrt(60)
    assert (high - low) / 2.0 == pytest.approx(half, rel=0.1)
