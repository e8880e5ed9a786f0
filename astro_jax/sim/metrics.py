"""How well an episode went: one dict of figures from one recorded trace.        [host]

In: true poses and twists at a fixed rate (50 Hz), and what the referee counted
(``astro_jax.sim.contact``).  Out: floats under the names of the measurement contract.  What
cannot be said of an episode (the smoothness of a robot that never moved) is NaN.
"""

import math

import numpy as np
from jaxtyping import Float

from astro_jax.errors import InputError
from astro_jax.sim.contact import ContactState

MOVING = 0.05
"""Forward speed above which the base moves, m/s."""
FREEZE_TIME = 10.0
"""Shorter rests are waiting, not freezing, s."""

Speeds = Float[np.ndarray, "N"]


def episode_metrics(
    time: Float[np.ndarray, "N"],
    poses: Float[np.ndarray, "N 3"],
    twists: Float[np.ndarray, "N 2"],
    *,
    counts: ContactState,
    shortest_path: float,
    arrived_at: float = math.inf,
) -> dict[str, float]:
    """Figures of one episode, measured from its start to the arrival or the end of the trace.

    Args:
      time: of the samples, evenly spaced, s.
      poses: of the base, map, m and rad.
      twists: true forward speed and yaw rate, m/s and rad/s.
      counts: the referee's last state, of one episode.
      shortest_path: length of the shortest path from start to goal, m.
      arrived_at: when the robot reached the goal, +inf if it never did, s.

    Returns:
      ``success`` 1 when it arrived without an at-fault contact and the episode is not void;
      ``timeout`` 1 when it did not arrive; ``void``;
      ``time`` s, ``path_length`` m, ``path_ratio`` (path length over the shortest path),
      ``mean_speed`` m/s (path length over time);
      ``contacts``, ``wall_contacts``, ``at_fault``, ``passive_violations`` events,
      ``contact_speed`` m/s, ``min_ttc`` s;
      ``min_clearance_people``, ``min_clearance_walls`` and the lesser, ``min_clearance``, m
      (+inf: there was nobody; to walls it saturates, see ``wall_gap``);
      ``sparc``, ``rms_jerk`` m/s³, ``frozen`` s: see the functions of these names.

    Raises:
      InputError: the trace is too short, uneven or of unequal lengths, or the shortest path
        is not positive.
    """
    time, poses, twists = (np.asarray(a, np.float64) for a in (time, poses, twists))
    _check(time, poses, twists, shortest_path)
    rate = (len(time) - 1) / (time[-1] - time[0])
    kept = max(int(np.searchsorted(time, arrived_at + 0.5 / rate)), 2)
    time, poses, twists = time[:kept], poses[:kept], twists[:kept]

    arrived = math.isfinite(arrived_at)
    duration = float(time[-1] - time[0])
    path_length = float(np.sum(np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1)))
    counted = {
        "void": float(counts.void),
        "contacts": float(counts.contacts),
        "wall_contacts": float(counts.wall_contacts),
        "at_fault": float(counts.at_fault),
        "passive_violations": float(counts.passive_violations),
        "contact_speed": float(counts.contact_speed),
        "min_ttc": float(counts.min_ttc),
        "min_clearance_people": float(counts.min_gap_people),
        "min_clearance_walls": float(counts.min_gap_walls),
    }
    return counted | {
        "success": float(arrived and not counted["at_fault"] and not counted["void"]),
        "timeout": float(not arrived),
        "time": duration,
        "path_length": path_length,
        "path_ratio": path_length / shortest_path,
        "mean_speed": path_length / duration,
        "min_clearance": min(counted["min_clearance_people"], counted["min_clearance_walls"]),
        "sparc": sparc(twists[:, 0], rate),
        "rms_jerk": rms_jerk(twists[:, 0], poses[:, 2], rate),
        "frozen": frozen(twists[:, 0], rate),
    }


def sparc(
    speed: Speeds,
    rate: float,
    *,
    padlevel: int = 4,
    cutoff: float = 10.0,
    threshold: float = 0.05,
) -> float:
    """Spectral arc length of the speed profile: 0 is smoothest, a stutter is far below.

    −∫ √((1/ω_c)² + (dV̂/dω)²) dω over 0 … ω_c, where V̂ is the magnitude of the Fourier
    spectrum of |v| divided by its value at 0 and ω_c the last frequency up to ``cutoff`` at
    which V̂ reaches ``threshold``.  Taken from the first to the last moving sample: waiting
    before and after says nothing about smoothness.  Dimensionless; NaN if nothing moved.

    Source: Balasubramanian, Melendez-Calderon, Roby-Brami, Burdet, "On the analysis of movement
    smoothness", 2015, eq. 4 and 5, with its defaults.

    Args:
      speed: forward speed, m/s; its sign does not matter.
      rate: of the samples, Hz.
      padlevel: the spectrum is taken of 2^padlevel times as many points, the rest zeros.
      cutoff: highest frequency that can count as movement, Hz.
      threshold: relative magnitude below which the spectrum's tail is noise.
    """
    profile = np.abs(np.asarray(speed, np.float64))[_moving_portion(speed)]
    if len(profile) < 2:
        return math.nan
    points = 2 ** (math.ceil(math.log2(len(profile))) + padlevel)
    # Of a non-negative profile no other magnitude exceeds the one at frequency 0.
    magnitude = np.abs(np.fft.rfft(profile, points))
    magnitude /= magnitude[0]
    in_band = magnitude[np.fft.rfftfreq(points, 1.0 / rate) <= cutoff]
    arc = in_band[: np.flatnonzero(in_band >= threshold)[-1] + 1]
    steps = len(arc) - 1
    return float(-np.sum(np.hypot(1.0 / steps, np.diff(arc)))) if steps else math.nan


def rms_jerk(speed: Speeds, yaw: Speeds, rate: float, *, half_window: float = 0.08) -> float:
    """Root mean square jerk of the base's centre, m/s³.

    Jerk is the second derivative of the velocity vector v·(cos yaw, sin yaw), so cornering
    counts as well.  It is read off a parabola fitted by least squares to the samples within
    ``half_window`` seconds (9 samples at 50 Hz), which also smooths: a sinusoid of 1 Hz
    keeps 98 % of its jerk, one of 3 Hz 82 %, one of 10 Hz 2 %.  The mean runs over the moving
    portion of the trace without the samples that lack a full window at the trace's ends.
    NaN if nothing moved or the trace is shorter than a window.

    Source: Savitzky, Golay, "Smoothing and differentiation of data by simplified least squares
    procedures", 1964.

    Args:
      speed: forward speed, m/s.
      yaw: heading, rad, wrapped or not.
      rate: of the samples, Hz.
      half_window: reach of the fit to either side, s.
    """
    half = max(round(half_window * rate), 1)
    moving = _moving_portion(speed)
    if len(speed) < 2 * half + 1 or moving.stop == moving.start:
        return math.nan
    offsets = np.arange(-half, half + 1) / rate
    second_derivative = 2.0 * np.linalg.pinv(np.vander(offsets, 3))[0]
    velocity = np.stack([speed * np.cos(yaw), speed * np.sin(yaw)])
    # The weights are even, so convolution and correlation agree.
    jerk = np.stack([np.convolve(v, second_derivative, mode="valid") for v in velocity])
    kept = jerk[:, max(moving.start - half, 0) : max(moving.stop - half, 0)]
    return float(np.sqrt(np.mean(np.sum(np.square(kept), axis=0)))) if kept.size else math.nan


def frozen(speed: Speeds, rate: float) -> float:
    """Time spent in rests of ``FREEZE_TIME`` or longer, s.

    At rest is |v| ≤ ``MOVING``, whatever the heading does: turning on the spot gets nowhere.
    """
    resting = np.abs(speed) <= MOVING
    edges = np.flatnonzero(np.diff(resting, prepend=False, append=False))
    stretches = (edges[1::2] - edges[::2]) / rate
    return float(np.sum(stretches[stretches >= FREEZE_TIME - 1e-9]))


def _moving_portion(speed: Speeds) -> slice:
    """From the first to the last moving sample, pauses in between included."""
    indices = np.flatnonzero(np.abs(speed) > MOVING)
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)


def _check(time: np.ndarray, poses: np.ndarray, twists: np.ndarray, shortest_path: float) -> None:
    n = len(time)
    if time.shape != (n,) or n < 2:
        raise InputError("time", time.shape, "at least two samples in one dimension")
    if poses.shape != (n, 3):
        raise InputError("poses", poses.shape, f"shape {(n, 3)}")
    if twists.shape != (n, 2):
        raise InputError("twists", twists.shape, f"shape {(n, 2)}")
    steps = np.diff(time)
    if not (np.all(steps > 0.0) and np.ptp(steps) <= 0.05 * np.mean(steps)):
        raise InputError("time", f"{steps.min()} to {steps.max()} s apart", "even, rising samples")
    if not shortest_path > 0.0:
        raise InputError("shortest_path", shortest_path, "a positive length in metres")
