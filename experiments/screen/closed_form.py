"""Is the closed form as good as a search for it?

    python experiments/screen/closed_form.py

Random plans of the base and places of somebody; for each the cost J of the course that
``body/screen.py`` takes without a search, of the best of 64 random ones around it, and of 200
Adam steps from it.
"""

import argparse
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from astro_jax.body.aims import kept_in_view, way_ahead
from astro_jax.body.worth import EFFORT
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.local.planner import basis_of
from astro_jax.robot.joint import follow, pan_joint

ROBOT, CONFIG = DEFAULT_ROBOT, DEFAULT_PLANNER
BASIS, PAN = basis_of(CONFIG), pan_joint(DEFAULT_ROBOT)
TRIALS, STEPS = 64, 200


@dataclasses.dataclass(frozen=True)
class Case:
    told: np.ndarray
    angle: float
    rate: float


def cases(count: int, seed: int) -> list[Case]:
    """Headings that turn once or twice within the horizon, half of them with somebody to watch."""
    random, time = np.random.default_rng(seed), CONFIG.dt * np.arange(CONFIG.times)
    found = []
    for k in range(count):
        rate = np.zeros(CONFIG.times)
        for _ in range(random.integers(1, 3)):
            begins, lasts = random.uniform(0.0, 2.0), random.uniform(0.3, 1.5)
            rate += random.uniform(-1.8, 1.8) * ((time >= begins) & (time < begins + lasts))
        yaw = np.cumsum(rate) * CONFIG.dt
        told = way_ahead(CONFIG, jnp.asarray(yaw, jnp.float32), jnp.asarray(yaw, jnp.float32))
        if k % 2:
            bearing = random.uniform(-1.2, 1.2) + random.uniform(-0.5, 0.5) * time - yaw
            spread = jnp.full(CONFIG.times, 0.05)
            body = jnp.asarray(bearing, jnp.float32)
            told = kept_in_view(ROBOT.camera, told, body, spread, random.choice([0.3, 0.5, 1.0]))
        angle = random.uniform(-1.0, 1.0)
        found.append(Case(np.asarray(told), angle, random.uniform(-1.0, 1.0)))
    return found


def cost(told, angle, rate, wanted):
    controls = follow(PAN, BASIS, angle, rate, wanted)
    course = jnp.asarray(BASIS.value) @ controls
    change = jnp.diff(jnp.asarray(BASIS.slope) @ controls) / CONFIG.dt
    weight = jnp.full(CONFIG.times, CONFIG.dt).at[jnp.array([0, -1])].mul(0.5)
    goal = jnp.clip(told, -PAN.limit, PAN.limit)
    effort = CONFIG.dt * jnp.sum((change / PAN.acceleration) ** 2)
    return jnp.sum(weight * (1.0 - jnp.cos(course - goal))) + EFFORT * effort


@jax.jit
def compared(told, angle, rate, key):
    """(J of the closed form, of the best of the trials, after the descent)."""
    knots = jnp.linspace(0.0, 1.0, 6)
    at = jnp.linspace(0.0, 1.0, CONFIG.times)
    offsets = 0.3 * jax.random.normal(key, (TRIALS, len(knots)))
    around = jax.vmap(lambda offset: told + jnp.interp(at, knots, offset))(offsets)
    trials = jax.vmap(lambda wanted: cost(told, angle, rate, wanted))(around)
    optimiser = optax.adam(0.02)

    def step(carry, _):
        wanted, state = carry
        value, slope = jax.value_and_grad(lambda w: cost(told, angle, rate, w))(wanted)
        change, state = optimiser.update(slope, state)
        return (optax.apply_updates(wanted, change), state), value

    _, values = jax.lax.scan(step, (told, optimiser.init(told)), length=STEPS)
    return values[0], jnp.minimum(jnp.min(trials), values[0]), jnp.min(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    arguments = parser.parse_args()
    rows = []
    for k, case in enumerate(cases(arguments.cases, 0)):
        given = (jnp.asarray(case.told), jnp.float32(case.angle), jnp.float32(case.rate))
        rows.append(jax.device_get(compared(*given, jax.random.key(k))))
    closed, trials, descent = np.array(rows).T
    print(f"{len(rows)} cases; J in seconds of facing away")
    for name, found in (("closed form", closed), ("best of 64", trials), ("200 Adam", descent)):
        gain = closed - found
        print(
            f"{name:12s} mean J {found.mean():.4f}, better than the closed form by "
            f"{gain.mean():.4f} in the mean, {np.quantile(gain, 0.95):.4f} at 95 %"
        )


if __name__ == "__main__":
    main()
