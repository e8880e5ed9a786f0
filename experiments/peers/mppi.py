"""Model predictive path integral control by the package ``pytorch_mppi``, as a good user would.

Given our map, the way and the tracks as discs of constant velocity, people and robot having gone
on since they were seen as they did then.  The model is a unicycle whose v and ω take up what is
wanted at the wheels' accelerations.  Samples are smooth: control points interpolated by a kernel
(``KMPPI``).  What it costs, over the horizon: seconds of the route's cost-to-go, at the end and
on the way; being within reach of walls and discs; touching them; changing one's mind.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError
from astro_jax.sim.steered import Choose, Known


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Chosen in two steps, on training cases alone.

    Of eleven sets with exact discs and no simulator (four cases of ``crowd``): with the
    package's price of controls, λ Σ⁻¹ u ε, weak weights of progress crawl.  Then the best of three
    in the simulator, on ten cases of ``crowd`` and twelve of ``crossing``.
    """

    top_speed: float = 2.0
    samples: int = 600
    steps: int = 30
    dt: float = 0.1
    """s"""
    supports: int = 6
    """Control points over the horizon."""
    breadth: float = 3.0
    """Of the kernel between them, steps."""
    spread: float = 0.6
    """Standard deviation of the samples over the limits of v and ω."""
    temperature: float = 1.0
    margin: float = 0.12
    """Around the footprint, where a touch begins, m."""
    reach: float = 0.4
    """Gaps below this cost, m."""
    hit: float = 200.0
    """Per step."""
    near: float = 3.0
    """Per step, where the gap is gone; falls with its square."""
    last: float = 40.0
    """Per second of cost-to-go at the end."""
    along: float = 4.0
    """… and at each step."""
    change: float = 0.3
    """Per step and (change of v or ω over its limit)²."""
    backwards: float = 0.5
    """Per step and m/s driven backwards."""


BARN = Settings(top_speed=1.0, hit=2000.0, margin=0.06, change=10.0)
"""The best of four sets on worlds 1, 5, 15, 25 and 29: all five; at 2 m/s three of them."""


class Mppi:
    """The package's controller on one robot; keeps its nominal controls from cycle to cycle."""

    def __init__(self, robot: RobotConfig, settings: Settings):
        try:
            self.torch: Any = importlib.import_module("torch")
            package: Any = importlib.import_module("pytorch_mppi.mppi")
        except ImportError as error:
            expected = "its packages (pip install -r experiments/peers/requirements.txt)"
            raise InputError("planner", f"mppi ({error})", expected) from error
        torch, s = self.torch, settings
        torch.set_num_threads(1)
        # else the callback can wait for ever for its own arguments on a machine of few cores
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        self.settings, self.robot = settings, robot
        top = min(s.top_speed, robot.speed)
        self.most = torch.tensor([robot.wheel_acceleration, robot.yaw_acceleration]) * s.dt
        self.limits = torch.tensor([top, robot.yaw_rate])
        half = robot.length / 2 - robot.width / 2
        self.offsets = torch.tensor([-half, 0.0, half] if half > 0.01 else [0.0])
        self.radius = robot.width / 2 + s.margin
        self.controller = package.KMPPI(
            self._model,
            lambda state, action: torch.zeros(len(state)),
            5,
            torch.diag((s.spread * self.limits) ** 2),
            num_samples=s.samples,
            horizon=s.steps,
            terminal_state_cost=self._cost,
            lambda_=s.temperature,
            u_min=torch.tensor([-min(robot.reverse_speed, top), -robot.yaw_rate]),
            u_max=self.limits,
            num_support_pts=s.supports,
            kernel=package.RBFKernel(sigma=s.breadth),
        )

    def reset(self, seed: int) -> None:
        """Before an episode."""
        self.torch.manual_seed(seed)
        with self.torch.inference_mode():
            self.controller.reset()

    def command(self, *seen: Any) -> np.ndarray:
        """(v, ω) that is wanted, of what ``mppi`` hands over."""
        torch = self.torch
        pose, twist, clearance, way, corner, cell, xy, velocity, radius, valid, age = (
            torch.from_numpy(np.array(part)) for part in seen
        )
        turned = pose[2] + 0.5 * twist[1] * age
        state = torch.stack(
            [
                pose[0] + twist[0] * age * torch.cos(turned),
                pose[1] + twist[0] * age * torch.sin(turned),
                pose[2] + twist[1] * age,
                twist[0],
                twist[1],
            ]
        )
        ahead = age + self.settings.dt * torch.arange(1, self.settings.steps + 1)
        self.tables = clearance, way, corner, cell
        self.discs = xy[valid][None] + ahead[:, None, None] * velocity[valid][None]
        self.radii = radius[valid]
        self.now = twist
        with torch.inference_mode():
            return self.controller.command(state).numpy().astype(np.float32)

    def _model(self, state, action):
        torch, dt = self.torch, self.settings.dt
        v, w = (
            state[:, 3 + k] + torch.clamp(action[:, k] - state[:, 3 + k], -m, m)
            for k, m in enumerate(self.most.tolist())
        )
        middle = state[:, 2] + 0.5 * dt * w
        x, y = (state[:, k] + dt * v * f(middle) for k, f in enumerate((torch.cos, torch.sin)))
        return torch.stack([x, y, state[:, 2] + dt * w, v, w], dim=-1)

    def _cost(self, states, actions):
        torch, s = self.torch, self.settings
        clearance, way, _, _ = self.tables
        x, y, yaw, v, w = states[0].unbind(-1)  # K T each
        gap = torch.full_like(x, torch.inf)
        for offset in self.offsets.tolist():
            px, py = x + offset * torch.cos(yaw), y + offset * torch.sin(yaw)
            gap = torch.minimum(gap, self._at(clearance, px, py))
            if len(self.radii):
                away = torch.hypot(
                    px[..., None] - self.discs[None, :, :, 0],
                    py[..., None] - self.discs[None, :, :, 1],
                )
                gap = torch.minimum(gap, (away - self.radii).amin(-1))
        gap = gap - self.radius
        cost = s.hit * (gap < 0.0) + s.near * torch.clamp(1.0 - gap / s.reach, 0.0, 1.0) ** 2
        to_go = self._at(way, x, y)
        cost = cost + s.along * to_go + s.backwards * torch.clamp(-v, min=0.0)
        first = self.now.expand(len(v), 1, 2)
        change = torch.diff(torch.cat([first, torch.stack([v, w], -1)], 1), dim=1) / self.limits
        cost = cost + s.change * (change**2).sum(-1)
        return cost.sum(-1) + s.last * to_go[:, -1]

    def _at(self, table, x, y):
        """Tangent plane of the nearest cell."""
        torch = self.torch
        _, _, corner, cell = self.tables
        column, row = (x - corner[0]) / cell, (y - corner[1]) / cell
        i = torch.clamp(torch.round(row), 0, table.shape[0] - 1)
        j = torch.clamp(torch.round(column), 0, table.shape[1] - 1)
        flat = (i * table.shape[1] + j).long()
        value, slope_x, slope_y = (table[..., k].reshape(-1)[flat] for k in range(3))
        return value + cell * (slope_x * (column - j) + slope_y * (row - i))


def mppi(command: Callable[..., np.ndarray]) -> Choose:
    """The planner, ``Mppi.command``, called from the simulation; one episode at a time."""

    def choose(known: Known) -> Float[Array, "2"]:
        tracks, to_go = known.tracks, known.way.cost_to_go
        seen = (
            known.pose_map,
            known.twist,
            known.clearance.table[..., :3],
            to_go.table,
            to_go.origin,
            to_go.resolution,
            tracks.xy_map,
            tracks.velocity_map,
            tracks.radius,
            tracks.valid,
            tracks.age,
        )
        return io_callback(command, jax.ShapeDtypeStruct((2,), jnp.float32), *seen, ordered=True)

    return choose
