"""What a page is shown, put together on the host: the house, the route, one cycle.      [host]"""

from typing import Any

import jax
import numpy as np
from matplotlib.colors import to_hex

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.play.engine import Cycle
from astro_jax.play.layout import Kind, pack
from astro_jax.play.picture import AHEAD, STRIDE
from astro_jax.play.sliders import SLIDERS
from astro_jax.play.stage import BRUSH, Stage, truth
from astro_jax.play.words import doing
from astro_jax.reactive.senses import Mode
from astro_jax.robot.footprint import outline
from astro_jax.route.field import passing_radius, wall_distance
from astro_jax.sim.state import SimState
from astro_jax.types import Reason, RouteField, Status
from astro_jax.viz import style

ARROW_SPACING = 0.4
"""Between guidance arrows, m."""
GATE_WINDOW = 2.0
"""Side of the square that the reactive layer watches, m."""
COLOURS = {
    name.lower(): getattr(style, name)
    for name in (
        *("INK", "FAINT", "FREE", "UNKNOWN", "WALL", "SENSED", "PLAN", "ROBOT", "SCREEN"),
        *("PERSON", "UNSEEN", "TRAIL", "GUIDE", "GOAL", "DOOR", "SPEED", "TURN"),
    )
}


def house_message(
    robot: RobotConfig, config: PlannerConfig, stage: Stage, sizes: tuple[int, ...]
) -> bytes:
    """All that changes seldom: the map, the truth, zones, doors, the robot, sliders, colours."""
    house = stage.house_map
    known = np.where(house.occupancy < 0, 2, house.occupancy >= 50).astype(np.uint8)
    surprise = style.surprising(house.occupancy, truth(stage))
    head = {
        "name": house.name,
        "origin": [float(v) for v in house.origin],
        "resolution": house.resolution,
        "doors": [
            {"name": door.name, "jambs": door.jambs.tolist(), "closed": closed}
            for door, closed in zip(stage.doors, stage.closed, strict=True)
        ],
        "zones": [
            {
                "name": zone.name,
                "kind": zone.kind,
                "outline": zone.outline.tolist(),
                "colour": style.ZONES[zone.kind][0],
            }
            for zone in house.zones
        ],
        "robot": {
            "outline": outline(robot).tolist(),
            "length": robot.length,
            "width": robot.width,
            "screen": [
                robot.screen.mount_x,
                robot.screen.mount_y,
                robot.screen.reach,
                robot.screen.width,
            ],
            "speed": robot.speed,
        },
        "radius": np.asarray(stage.scene.radius).tolist(),
        "present": np.asarray(stage.scene.present).tolist(),
        "windows": [config.map_cells * config.map_resolution, GATE_WINDOW],
        "cell": config.map_resolution,
        "period": config.period,
        "gate_period": config.gate_period,
        "dt": config.dt,
        "candidate_dt": STRIDE * config.dt,
        "ahead": list(AHEAD),
        "brush": BRUSH,
        "sizes": list(sizes),
        "sliders": [vars(slider) for slider in SLIDERS],
        "colours": COLOURS,
        "costs": [to_hex(style.COST(share)) for share in np.linspace(0.0, 1.0, 24)],
        "stripes": list(style.STRIPES),
    }
    return pack(Kind.HOUSE, head, {"known": known, "surprise": surprise.astype(np.uint8)})


def route_message(robot: RobotConfig, stage: Stage, field: RouteField | None) -> bytes:
    """Arrows down the cost-to-go wherever the robot's centre may be; none without a field."""
    arrows = np.zeros((0, 3), np.float32)
    if field is not None:
        arrows = _arrows(robot, stage, field)
    return pack(Kind.ROUTE, {"spacing": ARROW_SPACING}, {"arrows": arrows})


def _arrows(robot: RobotConfig, stage: Stage, field: RouteField) -> np.ndarray:
    house = stage.house_map
    table = np.asarray(field.cost_to_go.table)
    allowed = wall_distance(house.blocked, house.resolution) >= passing_radius(robot)
    step = max(1, round(ARROW_SPACING / house.resolution))
    rows, columns = np.mgrid[step // 2 : table.shape[0] : step, step // 2 : table.shape[1] : step]
    slope = table[rows, columns, 1:3]
    drawn = allowed[rows, columns] & (np.hypot(slope[..., 0], slope[..., 1]) > 1e-6)
    xy = house.xy_of((rows[drawn], columns[drawn]))
    heading = np.arctan2(-slope[drawn][:, 1], -slope[drawn][:, 0])
    return np.column_stack([xy, heading]).astype(np.float32)


def frame_message(
    number: int,
    cycle: Cycle,
    after: SimState,
    goal: bool,
    arrived: bool,
    timing: dict[str, float],
) -> bytes:
    """One cycle: what was weighed, what was chosen, what was driven meanwhile."""
    picture, log, ticks, people, contacts = jax.device_get(
        (
            cycle.picture,
            (cycle.log.time, cycle.log.status, cycle.log.tracked),
            cycle.ticks,
            (after.people.xy_map, after.people.velocity_map),
            (after.contacts.contacts, after.contacts.at_fault),
        )
    )
    time, status, tracked = log
    strongest = min(ticks, key=lambda tick: float(tick.scale))
    speed = float(ticks[-1].twist[0])
    tone, says = doing(
        Status(int(status)),
        Mode(int(strongest.mode)),
        Reason(int(strongest.reason)),
        speed,
        float(np.abs(picture.speed).max()),
        goal,
        arrived,
    )
    usable = int(picture.usable)
    head: dict[str, Any] = {
        "cycle": number,
        "time": round(float(time), 3),
        "candidates": len(picture.candidates),
        "pose": _plain(picture.pose),
        "status": Status(int(status)).name,
        "reason": Reason(int(strongest.reason)).name,
        "scale": _plain(strongest.scale),
        "tone": tone,
        "says": says,
        "speed": speed,
        "tracked": [bool(v) for v in tracked],
        "forecast": [bool(v) for v in picture.forecast_valid],
        "contacts": [int(v) for v in contacts],
        "cells_pose": _plain(picture.cells_pose),
        "cells_origin": _plain(picture.cells_origin),
        "timing": {name: round(value, 3) for name, value in timing.items()},
    }
    motion = [[*tick.pose_map, tick.pan] for tick in ticks]
    arrays = {
        # the worst first, and none that is not finite
        "fan": picture.candidates[len(picture.candidates) - usable :],
        "plan": picture.plan,
        "survival": picture.survival,
        "speeds": picture.speed,
        "promised": np.nan_to_num(picture.promised),
        "counted": np.nan_to_num(picture.counted),
        "clouds": picture.people,
        "cells": picture.cells,
        "motion": np.array(motion, np.float32),
        "walks": np.stack([tick.people_xy for tick in ticks]),
        "people": np.concatenate(people, axis=1),
    }
    return pack(Kind.FRAME, head, arrays)


def _plain(values: Any) -> Any:
    return np.nan_to_num(np.asarray(values, np.float64), posinf=1e6, neginf=-1e6).tolist()
