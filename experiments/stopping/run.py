"""Speed against distance: what the gate does, beside what the stopping distance allows.

.venv/bin/python experiments/stopping/run.py
"""

import dataclasses
from pathlib import Path

import matplotlib
import numpy as np
from approach import LATENCY, Approach, approach
from matplotlib.axes import Axes

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, RobotConfig
from astro_jax.reactive.gaps import CRAWL_SPEED, STATIC_MARGIN
from astro_jax.reactive.movers import MOVER_MARGIN, TURN
from astro_jax.viz.style import FAINT, INK, PERSON, PLAN

matplotlib.use("Agg")
import matplotlib.pyplot as plt

CONFIG = PlannerConfig()
JERK = 6.0
WALK = 0.8
SPEEDS = (0.75, 0.5, 0.3)
CASES = {
    "wall": {"person": False},
    "standing person": {"person": True},
    f"person walking up at {WALK:g} m/s": {"person": True, "walking": WALK},
}
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "stopping.png"


def stopping_distance(
    robot: RobotConfig, speed: np.ndarray, seen_late: float, margin: float, walking: float
) -> np.ndarray:
    """v·t_r + v²/2a + v·a/2j + Z, and what somebody comes nearer until the robot rests.

    Somebody who walks at u, and may speed up by a: u·T + ½·a·T², T = t_r + v/a (+ a/2j).
    """
    easing = robot.wheel_acceleration / (2 * robot.jerk) if robot.jerk else 0.0
    reaction = seen_late + CONFIG.gate_period + easing
    way = speed * reaction + speed**2 / (2 * robot.wheel_acceleration) + margin
    until_rest = reaction + speed / robot.wheel_acceleration
    turn = TURN if walking >= 0.0 else 0.0
    return way + max(walking, 0.0) * until_rest + 0.5 * turn * until_rest**2


def bound_of(robot: RobotConfig, name: str, speed: np.ndarray) -> np.ndarray:
    """The line to stay left of, as the robot's own front is where the command acts."""
    if name == "wall":
        # −1: nobody
        late = LATENCY.reactive_sensor + LATENCY.command + robot.actuator_lag
        return stopping_distance(robot, speed, late, STATIC_MARGIN, -1.0)
    walking = CASES[name].get("walking", 0.0)
    return stopping_distance(robot, speed, LATENCY.reactive_sensor, MOVER_MARGIN, walking)


def draw(axes: Axes, robot: RobotConfig, name: str, runs: list[Approach]) -> None:
    """One panel."""
    speed = np.linspace(0.0, max(SPEEDS), 100)
    axes.plot(bound_of(robot, name, speed), speed, color=INK, lw=1.3, ls="--")
    colour = PLAN if name == "wall" else PERSON
    for run in runs:
        axes.plot(run.gap, run.speed, color=colour, lw=1.5)
        axes.plot(run.gap[-1], run.speed[-1], "o", color=colour, ms=4, clip_on=False)
    if name == "wall":
        axes.axhline(CRAWL_SPEED, color=FAINT, lw=0.8, ls=":")
    axes.set(xlim=(1.6, 0.0), ylim=(0.0, 0.85))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    """Run all approaches, print a table, draw the picture."""
    rows = {
        "no jerk limit": DEFAULT_ROBOT,
        f"jerk at most {JERK:g} m/s³": dataclasses.replace(DEFAULT_ROBOT, jerk=JERK),
    }
    plt.rcParams.update({"text.color": INK, "axes.edgecolor": INK, "font.size": 9})
    figure, panels = plt.subplots(2, 3, figsize=(9.6, 5.4), sharex=True, sharey=True, dpi=150)
    print(f"{'limit':22s} {'towards':34s} wanted  rest at  hardest braking  at front of bound")
    for row, (limit, robot) in enumerate(rows.items()):
        for column, (name, case) in enumerate(CASES.items()):
            runs = [approach(robot, CONFIG, speed, **case) for speed in SPEEDS]
            draw(panels[row, column], robot, name, runs)
            for wanted, run in zip(SPEEDS, runs, strict=True):
                beyond = run.gap - bound_of(robot, name, run.speed)
                moved = np.flatnonzero(run.speed > 0.05)
                last = moved[-1]
                at_rest = last + 1 < len(run.gap)
                print(
                    f"{limit:22s} {name:34s} {wanted:5.2f}  "
                    f"{run.gap[last]:7.3f} {'' if at_rest else 'moving'}"
                    f"  {-run.acceleration.min():9.2f} m/s²  {beyond[moved].min():+.3f} m"
                )
            if row == 0:
                panels[row, column].set_title(name, color=INK, fontsize=10)
            else:
                panels[row, column].set_xlabel("from the robot's front to it, m")
        panels[row, 0].set_ylabel(f"{limit}\nspeed, m/s")
    style = {"color": INK, "fontsize": 8, "va": "center"}
    panels[0, 0].annotate("stopping\ndistance", (0.33, 0.66), **style)
    panels[0, 0].annotate("crawl", (1.58, CRAWL_SPEED + 0.035), **(style | {"color": FAINT}))
    figure.tight_layout()
    figure.savefig(PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
