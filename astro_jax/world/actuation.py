"""How late and how strongly the wheels answer: identified while driving, within bounds.

A robot's dead time is never what its data sheet says, and it changes with the load of the
base's computer.  The odometry's twist is compared with what had been sent d seconds before
it was true, for a row of delays d around the configured one:

    p(d) ∝ exp(−½ (d − d₀)²/(b/2)² − ½ Σ_k λ^k |r_k(d)|²/σ²),    r(d) = measured − gain·sent(d)

d̂ is the mean of p, so it moves smoothly and never leaves the bounds d₀ ± b; where commands
do not change nothing is learned.  A first-order lag τ looks like τ more dead time and is
part of d.  The gain (worn wheels, a soft carpet) is the regression of what was measured on
what had been sent, with a prior at 1.  (Bar-Shalom et al., Estimation with Applications,
2001, §11.6: a bank of hypotheses; forgetting as in recursive least squares.)
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import Latency, RobotConfig
from astro_jax.types import Odometry, Scalar, pytree

HYPOTHESES = 17
MEMORY = 0.99
"""Weight of what was learned before, per planning cycle: 10 s at 10 Hz."""
NOISE = (0.03, 0.08)
"""Standard deviation of a measured twist about what the wheels were told: m/s, rad/s."""
TRUST = 0.2
"""Residuals in one cycle count for so much: errors of successive cycles are alike."""
GAIN_LOW, GAIN_HIGH = 0.85, 1.15
GAIN_PRIOR = 8.0
"""Weight of the prior gain of 1, in squared commands over NOISE²."""
NONSENSE = 100.0
"""No base is that fast (m/s, rad/s)."""
MISMATCH_MEMORY = 0.75
STUCK = 4.0
"""Lasting residual, in standard deviations, at which the base does not do what it is told:
at .12 m/s or .32 rad/s."""


@pytree
class Actuation:
    """What is known of the base's answer to commands."""

    misfit: Float[Array, "*batch J"]
    """Decayed sum of squared residuals of every hypothesis about the delay."""
    told: Float[Array, "*batch 2"]
    """Decayed sum of squared commands, and …"""
    answered: Float[Array, "*batch 2"]
    """… of commands times answers; both in units of NOISE²."""
    delay: Float[Array, "*batch"]
    """Dead time and lag from the sending of a command to the motion, s."""
    gain: Float[Array, "*batch 2"]
    """Motion over command, of v and ω."""
    mismatch: Float[Array, "*batch"]
    """Low-passed length of the residual, in standard deviations."""


def configured(robot: RobotConfig, latency: Latency) -> Actuation:
    """Before anything has been seen: the configured delay, gain 1."""
    return Actuation(
        misfit=jnp.zeros(HYPOTHESES),
        told=jnp.zeros(2),
        answered=jnp.zeros(2),
        delay=jnp.asarray(latency.command + robot.actuator_lag, jnp.float32),
        gain=jnp.ones(2),
        mismatch=jnp.float32(0.0),
    )


def identify(
    robot: RobotConfig,
    latency: Latency,
    known: Actuation,
    sent: Float[Array, "C 2"],
    odometry: Odometry,
    tick: float,
) -> Actuation:
    """Learn from one measured twist; ``sent`` as in ``fast_forward``.

    A measurement that is not finite, or older than the commands remembered, teaches nothing.
    """
    delays = hypotheses(robot, latency)
    noise = jnp.asarray(NOISE)
    told = _sent_before(sent, odometry.age + delays, tick)
    residual = (odometry.twist[None] - known.gain[None] * told) / noise[None]
    usable = jnp.all(jnp.abs(odometry.twist) < NONSENSE) & (odometry.age >= 0.0)
    usable = usable & (odometry.age + delays[-1] < sent.shape[0] * tick)
    square = TRUST * jnp.sum(residual**2, axis=-1)
    # somebody who lifts the robot must not teach it nonsense: a residual counts up to 4 σ
    square = jnp.where(usable, jnp.minimum(square, TRUST * 16.0), 0.0)
    misfit = MEMORY * known.misfit + square
    doubt = jnp.maximum(latency.command_doubt, 1e-4)
    prior = ((delays - latency.command - robot.actuator_lag) / (0.5 * doubt)) ** 2
    weight = jax.nn.softmax(-0.5 * (prior + misfit - jnp.min(misfit)))
    delay = jnp.sum(weight * delays)

    then = _sent_before(sent, (odometry.age + delay)[None], tick)[0]
    moved = jnp.where(usable, odometry.twist, 0.0)
    # a gain shows where commands are steady: a lag rounds off their peaks
    steady = jnp.abs(told[0] - told[-1]) < noise
    explained = usable & steady & (jnp.abs(moved - then) < 0.5 * jnp.abs(then) + 2.0 * noise)
    told_sum = MEMORY * known.told + jnp.where(explained, TRUST * (then / noise) ** 2, 0.0)
    answered = MEMORY * known.answered + jnp.where(explained, TRUST * then * moved / noise**2, 0.0)
    gain = (answered + GAIN_PRIOR) / (told_sum + GAIN_PRIOR)
    off = jnp.sqrt(jnp.sum(((moved - known.gain * then) / noise) ** 2) + 1e-9)
    mismatch = MISMATCH_MEMORY * known.mismatch + (1.0 - MISMATCH_MEMORY) * off
    return dataclasses.replace(
        known,
        misfit=misfit,
        told=told_sum,
        answered=answered,
        delay=delay,
        gain=jnp.clip(gain, GAIN_LOW, GAIN_HIGH),
        mismatch=jnp.where(usable & (latency.command_doubt > 0.0), mismatch, known.mismatch),
    )


def hypotheses(robot: RobotConfig, latency: Latency) -> Float[Array, "J"]:
    """Delays that are considered, s: the configured one ± ``latency.command_doubt``."""
    around = latency.command_doubt * jnp.linspace(-1.0, 1.0, HYPOTHESES)
    return jnp.maximum(latency.command + robot.actuator_lag + around, 0.0)


def obeys(known: Actuation) -> Bool[Array, ""]:
    """Whether the base does what it is told: it neither slips, nor is stuck or carried."""
    return known.mismatch < STUCK


def _sent_before(
    sent: Float[Array, "C 2"], ago: Float[Array, "J"], tick: Scalar
) -> Float[Array, "J 2"]:
    """Commands in force ``ago`` seconds before now, between two ticks the mix of both."""
    # the last one was sent one tick ago and is held since
    position = sent.shape[0] - 0.5 - ago / tick
    position = jnp.clip(position, 0.0, sent.shape[0] - 1.001)
    lower = jnp.floor(position).astype(jnp.int32)
    share = (position - jnp.floor(position))[:, None]
    return (1.0 - share) * sent[lower] + share * sent[lower + 1]
