"""Draw 600 motions at random from the space of each drive.

    python experiments/trajectory_space/run.py [FOLDER]

writes one picture per drive, next to this file or into the folder, and prints how often a
random motion stops, turns hard or holds its speed.
"""

import functools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import matplotlib.cm
import matplotlib.colors
import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from scipy.stats import qmc

from astro_jax.config import DEFAULT_PLANNER, RobotConfig
from astro_jax.robot import drive
from astro_jax.robot.footprint import outline
from astro_jax.robot.splines import spline_basis
from astro_jax.strict_yaml import load_robot
from astro_jax.viz import shapes, style

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs" / "robots"
ROBOTS = {"differential": "astro", "omni": "mecanum", "ackermann": "ackermann"}
COUNT, SIGMA = 600, 2.0
PLANNER = DEFAULT_PLANNER
BASIS = spline_basis(PLANNER.intervals, PLANNER.dt, PLANNER.gate_period, PLANNER.period)
STOPPED, FAST, HARD = 0.05, 0.9, 0.9
"""Share of the top speed below which a motion has stopped and above which it is fast; share
of the sharpest turn (yaw rate, for Ackermann curvature) from which on it turns hard."""
SPEEDS = matplotlib.colors.LinearSegmentedColormap.from_list(
    "speed", ["#b3261e", "#e07b1f", "#e3b23c", "#55a868", "#2f7fc1", "#0b2f8a"]
)


def random_z(robot: RobotConfig, sigma: float, count: int = COUNT):
    """Normal z from a scrambled Sobol set."""
    shape = drive.free_shape(robot, BASIS)
    points = qmc.Sobol(shape[0] * shape[1], scramble=True, rng=np.random.default_rng(1))
    u = points.random_base2(int(np.ceil(np.log2(count))))[:count]
    z = jax.scipy.special.ndtri(jnp.asarray(np.clip(u, 1e-6, 1 - 1e-6), jnp.float32))
    return jnp.moveaxis(sigma * z.reshape(count, *shape), 0, -1)


@functools.partial(jax.jit, static_argnums=0)
def motions(robot: RobotConfig, command, z):
    """Control points, poses and twists of motions from the origin with this command."""
    controls = drive.decode(robot, BASIS, command, jnp.zeros_like(command), z)
    moved = drive.motion(robot, BASIS, jnp.zeros(3), controls)
    return controls, moved.pose_map, moved.twist


def top_command(robot: RobotConfig):
    """Straight ahead at full speed."""
    low, _ = drive.command_limits(robot)
    return jnp.zeros(len(low)).at[0].set(robot.speed)


def maneuvers(robot: RobotConfig, command):
    """z of the full stop, and of the sharpest turns to either side at this speed."""
    low, high = drive.command_limits(robot)
    turn = np.zeros((2, len(low)), np.float32)
    turn[:, 0], turn[:, -1] = 0.5 * robot.speed, (low[-1], high[-1])
    wanted = drive.held(BASIS, jnp.asarray(np.concatenate([np.zeros((1, len(low))), turn])))
    encode = functools.partial(drive.encode, robot, BASIS, command, jnp.zeros_like(command))
    return encode(jnp.moveaxis(wanted, 0, -1).astype(jnp.float32))


def shares(robot: RobotConfig, command, z) -> dict[str, float]:
    """What share of the motions do what."""
    controls, pose, twist = (np.asarray(x) for x in motions(robot, command, z))
    speed = np.hypot(twist[:, 0], twist[:, 1])
    sharp = np.abs(controls[:, -1]).max(axis=0) / drive.command_limits(robot)[1][-1]
    still = np.all(np.abs(twist[-6:]).max(axis=0) < [[0.05], [0.05], [0.1]], axis=0)
    return {
        "ends below 5 % of top speed": float(np.mean(speed[-1] < STOPPED * robot.speed)),
        "stands for the last half second": float(np.mean(still)),
        "ever below 5 %": float(np.mean(speed.min(axis=0) < STOPPED * robot.speed)),
        "ends above 90 %": float(np.mean(speed[-1] > FAST * robot.speed)),
        "turns at 90 % of the sharpest": float(np.mean(sharp > HARD)),
        "turns by more than 90°": float(np.mean(np.abs(pose[-1, 2]) > np.pi / 2)),
        "way after 1 s, least (m)": float(np.min(path(pose[:11]))),
        "way after 1 s, median (m)": float(np.median(path(pose[:11]))),
    }


def path(pose):
    """Length of the way (m) of poses (T, 3, K)."""
    return np.sum(np.hypot(*np.moveaxis(np.diff(pose[:, :2], axis=0), 1, 0)), axis=0)


def fan(axes, robot: RobotConfig, command, z, title: str):
    _, pose, twist = (np.asarray(x) for x in motions(robot, command, z))
    end = np.hypot(twist[-1, 0], twist[-1, 1])
    order = np.random.default_rng(0).permutation(pose.shape[2])
    lines = LineCollection(
        [pose[:, :2, k] for k in order],
        array=end[order],
        cmap=SPEEDS,
        clim=(0.0, robot.speed),
        linewidths=0.7,
        alpha=0.65,
        zorder=style.FANS,
    )
    axes.add_collection(lines)
    tips = axes.scatter(
        *pose[-1, :2, order].T, c=end[order], cmap=SPEEDS, vmin=0.0, vmax=robot.speed, s=4
    )
    tips.set_zorder(style.FANS)
    _, aimed, _ = motions(robot, command, maneuvers(robot, command))
    for k, name in enumerate(
        ("full stop, by encode()", "sharpest turns at half speed, by encode()", None)
    ):
        x, y = np.asarray(aimed[:, :2, k]).T
        line = "-" if k == 0 else "--"
        axes.plot(x, y, line, color=style.INK, linewidth=1.6, zorder=style.ROBOTS, label=name)
        axes.plot(x[-1], y[-1], "o", color=style.INK, markersize=6, zorder=style.ROBOTS)
    for shape, colour in ((outline(robot), style.ROBOT), (shapes.heading_mark(robot), "white")):
        body = PolyCollection([shape], facecolors=colour, edgecolors="white", linewidths=0.6)
        body.set_zorder(style.PLANS)
        axes.add_collection(body)
    axes.set(aspect="equal", title=title, xlabel="x / m")
    return lines


def draw(name: str, robot: RobotConfig, z, file: Path):
    plt.rcParams.update({"font.size": 9, "text.color": style.INK, "axes.edgecolor": style.FAINT})
    figure, both = plt.subplots(1, 2, figsize=(10, 5.2), sharey=True, layout="constrained")
    rest = jnp.zeros_like(top_command(robot))
    fan(both[0], robot, rest, z, "starting at rest")
    lines = fan(both[1], robot, top_command(robot), z, f"starting at {robot.speed:g} m/s")
    low = np.min([axes.dataLim.min for axes in both] + [outline(robot).min(axis=0)], axis=0) - 0.1
    high = np.max([axes.dataLim.max for axes in both], axis=0) + 0.1
    for axes in both:
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.grid(color=style.UNKNOWN, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    both[0].set_ylabel("y / m")
    bar = matplotlib.cm.ScalarMappable(lines.norm, SPEEDS)
    figure.colorbar(bar, ax=both, label="speed after 3 s / (m/s)", shrink=0.8)
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.set_figheight(1.5 + 4.1 * (high[1] - low[1]) / (high[0] - low[0]))
    figure.suptitle(
        f"{name}: {z.shape[-1]} motions of 3 s drawn at random (z normal, σ = {SIGMA:g})"
    )
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main(folder: Path = HERE):
    for name, preset in ROBOTS.items():
        robot = load_robot(CONFIGS / f"{preset}.yaml")
        draw(name, robot, random_z(robot, SIGMA), folder / f"{name}.png")
        for sigma in (1.0, SIGMA, 4.0):
            z = random_z(robot, sigma, 4096)
            for start, command in (("rest", 0 * top_command(robot)), ("top", top_command(robot))):
                found = shares(robot, command, z)
                numbers = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
                print(f"{name}, σ {sigma:g}, from {start}: {numbers}")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
