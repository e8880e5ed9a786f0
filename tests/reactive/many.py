"""Random cases of the gate by the batch, and properties that are checked on all of them.

A property is checked on a few cases each of a few hundred examples in ``make test``, and on
more than 10⁵ cases in ``make soak``; the code is the same, only the numbers differ.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astro_jax.reactive import gate
from astro_jax.reactive.senses import Mode

from .cases import (
    BEAMS,
    CONFIG,
    OPEN,
    PEOPLE,
    ROBOT,
    STEPS,
    TICK,
    Case,
    anchored,
    case_of,
    clearance_of,
    eye_of,
    f32,
    mask,
    plan_of,
    planned_at,
    put,
    ranges_to,
    running,
    scan_of,
    seen_before,
    stop_from,
    tracks_of,
)

QUICK = 20
"""Cases in each example in ``make test``."""
at_both_scales = pytest.mark.parametrize(
    ("examples", "size"),
    [
        pytest.param(40, QUICK, id="quick"),
        pytest.param(400, 256, id="soak", marks=pytest.mark.soak),
    ],
)
"""Examples of hypothesis, and cases in each of them."""

_random = np.random.default_rng(7)
FIELDS = [OPEN, *(clearance_of(_random.uniform(-0.2, 1.0, (20, 20))) for _ in range(4))]


def for_all(
    check: Callable[[Case, np.random.Generator], None],
    examples: int,
    size: int,
    draw: Callable[[np.random.Generator, int], Case] | None = None,
    found: int = 0,
) -> None:
    """Check ``size`` random cases at once, ``examples`` times and with the seed once ``found``."""
    draw = draw or batch

    @settings(max_examples=examples, deadline=None)
    @given(seed=st.integers(0, 2**40))
    @example(seed=found)
    def holds(seed):
        random = np.random.default_rng(seed)
        check(draw(random, size), random)

    holds()


@functools.cache
def react_all() -> Callable:
    """The gate on a batch of cases, (states, verdicts) as NumPy."""
    compiled = jax.jit(jax.vmap(lambda c: gate.react(ROBOT, CONFIG, c.state, c.plan, c.senses)))
    return lambda cases: jax.tree.map(np.asarray, compiled(cases))


def batch(random: np.random.Generator, size: int) -> Case:
    """Stacked random cases."""
    return stack([random_case(random) for _ in range(size)])


def stack(cases: list[Case]) -> Case:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *cases)


def pick(cases: Case, k: int) -> Case:
    return jax.tree.map(lambda leaf: leaf[k], cases)


def random_case(random: np.random.Generator) -> Case:
    """Somewhere within a drive: a smooth plan, some returns, some of them new, somebody near."""
    plan = random_plan(random)
    # sometimes within the stop in hand
    phase = f32(random.uniform(0.0, 0.45))
    slower = random.choice([0.0, 1.0, random.uniform(0.2, 1.0)], p=[0.1, 0.3, 0.6])
    twist = slower * planned_at(plan, phase)
    pose = np.array([*random.uniform(-0.2, 0.2, 2), random.uniform(-3, 3)])
    near = random.uniform(0.3, 2.0)
    count = random.integers(0, 25)
    points = near * random.normal(size=(count, 2)) + [0.3, 0.0]
    eye = eye_of(pose)
    noise = 0.01 * random.normal(size=BEAMS)
    before = points[random.uniform(size=count) < random.choice([0.0, 0.7, 1.0])]
    memory = seen_before(ranges_to(before, eye) + noise, eye, pose)
    mode = random.choice(list(Mode), p=[0.7, 0.1, 0.1, 0.1])
    someone = random.integers(0, PEOPLE + 1)
    state = running(twist, memory, phase, mode, random.uniform(0.0, 0.4))
    late = random.uniform() < 0.1
    scan = scan_of(ranges_to(points, eye) + noise, eye, random.uniform(0, 0.14))
    if random.uniform() < 0.15:
        # a hand before the sensor
        from_beam = random.integers(BEAMS - 60)
        lost = np.arange(BEAMS) - from_beam
        scan = put(scan, "valid", (lost < 0) | (lost >= 60))
    aside = pose + random.normal(size=3) * random.choice([0.0, 0.02])
    case = case_of(
        anchored(plan, float(phase), aside),
        anchor=False,
        state=put(state, "ceiling", f32(random.choice([random.uniform(0, 0.8), 100.0]))),
        pose=pose,
        senses__scan=scan,
        senses__plan_age=f32(random.uniform(0, 0.3) + late),
        senses__clearance=FIELDS[random.integers(len(FIELDS))],
        senses__pace=f32(random.choice([1.0, random.uniform(0.2, 1.0)])),
        senses__orders__stop=mask(random.uniform() < 0.03),
        senses__orders__rearm=mask(random.uniform() < 0.2),
    )
    tracks = tracks_of(
        near * random.normal(size=(someone, 2)) + [0.8, 0.0],
        random.uniform(-1.2, 1.2, (PEOPLE, 2)),
        random.uniform(0.0, 0.2),
    )
    # some of them seen for the first time
    look = random.spawn(1)[0]
    known = np.where(look.uniform(size=PEOPLE) < 0.3, look.uniform(0.2, 0.7, PEOPLE), 0.15)
    return put(case, "senses.tracks", put(tracks, "velocity_var", f32(known**2)))


def random_plan(random: np.random.Generator):
    time = TICK * np.arange(STEPS)
    wave = lambda: np.sin(random.uniform(0.5, 2.0) * time + random.uniform(0, 6))
    v, omega = 0.25 + 0.4 * wave() * random.uniform(), 1.2 * wave() * random.uniform()
    commands = np.stack([np.clip(v, -ROBOT.reverse_speed, ROBOT.speed), omega], axis=1)
    return plan_of(commands, stop_from(commands[round(CONFIG.tail_after / TICK)]))


# ---- what may come in instead ---------------------------------------------------------

SPECIAL = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e9, -1e9, 1e-40, 5.0, -5.0, 0.0]
"""In sensors, plans, tracks, maps and ages."""


def wounded(cases: Case, random: np.random.Generator, spared=("state",)) -> Case:
    """A copy with special values, or any bits at all, in some entries of some leaves."""
    inputs = {name: getattr(cases, name) for name in Case._fields if name not in spared}
    leaves, shape = jax.tree.flatten(inputs)
    floats = [k for k, leaf in enumerate(leaves) if leaf.dtype == np.float32]
    leaves = [np.array(leaf) for leaf in leaves]
    size = leaves[0].shape[0]
    for case in range(size):
        for _ in range(random.integers(0, 7)):
            leaf = leaves[random.choice(floats)].reshape(size, -1)[case]
            value = random.choice(SPECIAL)
            if random.uniform() < 0.3:
                value = random.integers(0, 2**32, dtype=np.uint32).view(np.float32)
            leaf[slice(None) if random.uniform() < 0.3 else random.integers(leaf.size)] = value
    return cases._replace(**jax.tree.unflatten(shape, leaves))
