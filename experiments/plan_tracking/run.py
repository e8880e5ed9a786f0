"""One plan driven for four seconds by the gate alone, with and without its tracking.

The plan is renewed without being changed, as if the planner always agreed with itself, so that
what the gate's feedback does is seen apart from what planning anew does.  Wheels, their lag and
delay, the sensor's age and the noise of poses are the simulator's.
"""

import argparse
import dataclasses
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import plot

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency
from astro_jax.geometry import compose
from astro_jax.reactive import gate
from astro_jax.reactive.senses import Mode
from astro_jax.sim import episode
from astro_jax.sim.odometry import EXACT
from astro_jax.sim.scene import Scene, make_scene
from astro_jax.sim.state import SimState, honest
from astro_jax.types import Motion, Plan

ROBOT = DEFAULT_ROBOT
CONFIG = dataclasses.replace(DEFAULT_PLANNER, tail_after=1.0)
"""The programme of the stop takes over after a second: the plan's own way goes on in it."""
TICK = CONFIG.gate_period
SECONDS, DISTURBED = 4.0, 1.5
SIDE, RESOLUTION = 240, 0.05
START = (3.0, 6.0, 0.0)
SPEED, TURNING = 0.65, 0.9

CONDITIONS = {
    "noise of the pose only": {},
    "wheels 5 % off": {"wheels": 0.05},
    "pushed by 5 cm, 3°": {"push": (0.0, 0.05, 0.052)},
    "pose jumps 5 cm, 2°": {"jump": (0.0, 0.05, 0.035)},
    "all of it": {"wheels": 0.05, "push": (0.0, 0.03, 0.03), "jump": (0.0, 0.03, 0.02)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=48)
    parser.add_argument("--out", type=Path, default=Path("out/plan_tracking"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    traces = {}
    for on in (False, True):
        with tracking(on):
            drive = driver()
            for name, condition in CONDITIONS.items():
                traces[name, on] = drive(options.seeds, **condition)
    rows = [
        {"condition": name, "tracking": on} | figures(trace) for (name, on), trace in traces.items()
    ]
    (options.out / "figures.json").write_text(json.dumps(rows, indent=1))
    print(plot.table(rows))
    plot.draw(options.out / "plan_tracking.png", reference(), traces, CONDITIONS, TICK, DISTURBED)


class tracking:  # noqa: N801
    """Within it, gates that are traced do or do not track their plans."""

    def __init__(self, on: bool):
        self.on, self.own = on, gate.steer

    def __enter__(self):
        if not self.on:
            gate.steer = lambda *given: (jnp.zeros_like(given[-1]), jnp.ones_like(given[-1]))

    def __exit__(self, *_):
        gate.steer = self.own


def commands() -> np.ndarray:
    """Off, left, right and left again: (v, ω) at the gate's rate."""
    t = TICK * np.arange(round(SECONDS / TICK) + 40)
    speed = np.clip(1.0 * t, 0.0, SPEED)
    return np.stack([speed, TURNING * np.sin(np.pi * t) * speed / SPEED], axis=1)


def reference() -> np.ndarray:
    """Poses of the plan at the gate's rate."""
    twists = commands()
    middle = 0.5 * (twists[:-1] + twists[1:])
    yaw = START[2] + np.cumsum(TICK * middle[:, 1]) - 0.5 * TICK * middle[:, 1]
    move = TICK * middle[:, :1] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    moved = np.concatenate([np.cumsum(move, 0), np.cumsum(TICK * middle[:, 1:], 0)], axis=1)
    return np.array(START) + np.concatenate([np.zeros((1, 3)), moved])


def scripted(like: Plan) -> Plan:
    """That way as a plan, its second part in the place of the stop."""
    twists, poses = commands(), reference()
    stride, later = round(CONFIG.dt / TICK), round(CONFIG.tail_after / TICK)
    rows = len(like.commands)
    still = jnp.zeros((CONFIG.times, 3))
    pose_map = jnp.asarray(poses[: CONFIG.times * stride : stride], jnp.float32)
    return dataclasses.replace(
        like,
        motion=Motion(pose_map=pose_map, twist=still, twist_dot=still),
        commands=jnp.asarray(twists[:rows], jnp.float32),
        tail=jnp.asarray(twists[later : later + rows], jnp.float32),
    )


def room() -> Scene:
    blocked = np.zeros((SIDE, SIDE), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    nobody = np.zeros((0, 2, 2), np.float32)
    goal = np.array([SIDE * RESOLUTION - 1.0, 1.0, 0.0])
    return make_scene(
        np.where(blocked, 100, 0),
        blocked,
        np.zeros(2),
        RESOLUTION,
        np.array(START),
        goal,
        nobody,
        np.zeros(0, int),
        0.1,
        CONFIG.people,
        seed=0,
    )


def driver():
    """(seeds, what disturbs) → (believed poses, commands), each (seeds, ticks, …)."""
    scene, latency = room(), jax.tree.map(jnp.float32, Latency())
    world = honest(latency, jax.tree.map(jnp.float32, EXACT))
    cycles = round(SECONDS / CONFIG.period)

    def cycle(push, jump, state: SimState, k):
        now = k == round(DISTURBED / CONFIG.period)
        push, jump = (jnp.where(now, shift, 0.0) for shift in (push, jump))
        believed = compose(compose(state.belief.pose_map, push), jump)
        brain = dataclasses.replace(
            state.robot,
            plan_age=jnp.float32(0.0),
            # no plan takes over
            allowance=jnp.int32(1000),
        )
        state = dataclasses.replace(
            state,
            pose=compose(state.pose, push),
            belief=dataclasses.replace(state.belief, pose_map=believed),
            robot=brain,
        )
        state, ticks = episode.act(ROBOT, CONFIG, world, scene, state)
        count = ticks.time.shape[0]
        return state, (state.past_belief[-count:], ticks.command, ticks.reason)

    @jax.jit
    def one(key, gain, push, jump):
        state = episode.start_episode(ROBOT, CONFIG, latency, scene, key)
        awake = dataclasses.replace(
            state.robot.gate, mode=jnp.int32(Mode.RUNNING), well_for=jnp.float32(1.0)
        )
        robot = dataclasses.replace(state.robot, gate=awake, plan=scripted(state.robot.plan))
        state = dataclasses.replace(state, robot=robot, wheel_gain=gain)
        step = functools.partial(cycle, push, jump)
        _, logs = jax.lax.scan(step, state, jnp.arange(cycles))
        return [log.reshape(-1, *log.shape[2:]) for log in logs]

    def drive(seeds, wheels=0.0, push=(0.0, 0.0, 0.0), jump=(0.0, 0.0, 0.0)):
        gains = 1.0 + wheels * np.random.default_rng(0).choice([-1.0, 1.0], (seeds, 2))
        push, jump = jnp.asarray(push, jnp.float32), jnp.asarray(jump, jnp.float32)
        runs = [
            jax.device_get(one(jax.random.key(s), jnp.asarray(gains[s], jnp.float32), push, jump))
            for s in range(seeds)
        ]
        return [np.stack(parts) for parts in zip(*runs, strict=True)]

    return drive


def aside(poses: np.ndarray) -> np.ndarray:
    """Distance of believed poses from the plan's path, m (NumPy, over a fine polyline)."""
    way = reference()
    fine = np.stack(
        [
            np.interp(np.arange(0, len(way) - 1, 0.1), np.arange(len(way)), way[:, k])
            for k in (0, 1)
        ],
        axis=1,
    )
    gap = np.linalg.norm(poses[..., None, :2] - fine, axis=-1)
    return gap.min(axis=-1)


def figures(trace) -> dict:
    poses, sent, reasons = trace
    # from when it moves on
    first = round(0.5 / TICK)
    off = np.stack([aside(run) for run in poses])[:, first:]
    turn = np.diff(sent[..., 1], axis=1)[:, first:] / TICK
    pull = np.diff(sent[..., 0], axis=1)[:, first:] / TICK
    return {
        "rms_mm": 1e3 * float(np.sqrt(np.mean(off**2))),
        "worst_mm": 1e3 * float(np.median(off.max(axis=1))),
        "worst_95_mm": 1e3 * float(np.quantile(off.max(axis=1), 0.95)),
        "end_mm": 1e3 * float(np.median(off[:, -1])),
        "yaw_acceleration": float(np.abs(turn).max()),
        "acceleration": float(np.abs(pull).max()),
        "let_through": float(np.mean(reasons == 0)),
    }


if __name__ == "__main__":
    main()
