"""Peers (``experiments/peers``): ORCA against brute force, and those that are not installed."""

import runpy
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from experiments.peers import mppi, run
from experiments.peers.velocity_obstacles import Bodies, half_planes, nearest

COUNT, RADIUS, SECONDS, SHARE, TOP = 8, 0.6, 4.0, 0.5, 1.0


@pytest.fixture(scope="module")
def met():
    """Own velocity, wish, places, velocities, half-planes and choice of 150 random crowds."""

    def one(own, wanted, away, velocity):
        fill = lambda value: jnp.full(COUNT, value)
        bodies = Bodies(
            away=away,
            velocity=velocity,
            radius=fill(RADIUS),
            seconds=fill(SECONDS),
            share=fill(SHARE),
            counts=fill(True),
        )
        planes = half_planes(own, bodies, 0.25)
        return planes, nearest(wanted, TOP, planes, fill(True))

    random = np.random.default_rng(0)
    distance = random.uniform(0.65, 3.0, (150, COUNT))
    angle = random.uniform(-np.pi, np.pi, (150, COUNT))
    given = (
        random.uniform(-0.7, 0.7, (150, 2)),
        random.uniform(-0.7, 0.7, (150, 2)),
        distance[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1),
        random.uniform(-1.0, 1.0, (150, COUNT, 2)),
    )
    planes, chosen = jax.jit(jax.vmap(one))(*(jnp.float32(x) for x in given))
    return *given, *(np.float64(x) for x in (planes.normal, planes.offset, chosen))


def meets(away, velocity):
    """Whether two discs touch within ``SECONDS`` if they go on like this."""
    along = np.sum(away * velocity, axis=-1) / np.maximum(np.sum(velocity**2, axis=-1), 1e-12)
    closest = away - np.clip(along, 0.0, SECONDS)[..., None] * velocity
    return np.hypot(*np.moveaxis(closest, -1, 0)) < RADIUS


def test_the_change_is_the_shortest_one_that_decides_whether_they_meet(met):
    own, _, away, velocity, normal, offset, _ = met
    relative = own[:, None] - velocity
    change = (offset - np.sum(own[:, None] * normal, axis=-1)) / SHARE
    beyond, before = (relative + (change + step)[..., None] * normal for step in (2e-3, -2e-3))
    assert not meets(away, beyond).any()
    assert meets(away, before).all()
    # all round, nearer than that, it is as it was: nobody gets in or out by less
    far = np.abs(change) - 3e-3
    angle = np.linspace(0.0, 2 * np.pi, 180, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    around = relative[..., None, :] + np.maximum(far, 0.0)[..., None, None] * ring
    as_it_was = meets(away, relative)[..., None]
    same = meets(away[..., None, :], around) == as_it_was
    assert same[far > 0.0].all()


def solved(wanted, normal, offset):
    """Least slack with which there is a velocity, and the nearest one if none is needed."""
    slow = {"type": "ineq", "fun": lambda x: TOP**2 - x[0] ** 2 - x[1] ** 2}
    met = {"type": "ineq", "fun": lambda x: normal @ x[:2] - offset + x[2]}
    positive = {"type": "ineq", "fun": lambda x: x[2]}
    start = [0.0, 0.0, max(offset.max(), 0.0) + 0.1]
    least = minimize(
        lambda x: x[2], start, constraints=[slow, met, positive], options={"ftol": 1e-12}
    ).x
    met = {"type": "ineq", "fun": lambda x: normal @ x - offset}
    nearest = minimize(
        lambda x: np.sum((x - wanted) ** 2),
        least[:2],
        constraints=[slow, met],
        options={"ftol": 1e-14},
    ).x
    return least[2], nearest


def test_the_choice_is_that_of_a_general_solver(met):
    _, wanted, _, _, normal, offset, chosen = met
    relaxed = 0
    for k in range(60):
        slack, best = solved(wanted[k], normal[k], offset[k])
        ours = max((offset[k] - normal[k] @ chosen[k]).max(), 0.0)
        assert ours == pytest.approx(slack, abs=1e-3)
        assert np.hypot(*chosen[k]) <= TOP + 1e-3
        if slack > 1e-3:
            relaxed += 1
        else:
            np.testing.assert_allclose(chosen[k], best, atol=3e-3)
    assert 2 < relaxed < 40


@pytest.mark.parametrize("absent", ["torch", "pytorch_mppi"])
def test_a_peer_that_is_not_installed_gets_one_line(absent, tmp_path, monkeypatch, capsys):
    """Whether there is nothing of it, or only what it is built on."""

    def imported(name):
        if name.split(".")[0] == absent:
            raise ModuleNotFoundError(f"No module named '{absent}'")

    monkeypatch.setattr(mppi, "importlib", SimpleNamespace(import_module=imported))
    results = tmp_path / "rows.jsonl"
    given = ["--planner", "mppi-1", "--suite", "crossing", "--cases", "crossing-1-000"]
    monkeypatch.setattr(sys, "argv", ["peers", *given, "--results", str(results)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(run.__file__), run_name="__main__")
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("peers: planner is mppi (") and absent in line
    assert line.endswith("pip install -r experiments/peers/requirements.txt)")
    assert not results.exists()
