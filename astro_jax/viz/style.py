"""The colours and frames of all pictures, and the order in which things lie.   [host]

Green to red is asked for where candidates are compared; so that it also reads without red
and green, lightness tells the same story: the best are dark, the worst are pale.
"""

import numpy as np
from jaxtyping import Bool, Int, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgba

INK = "#1d2733"
"""Text and frames."""
FAINT = "#7b8794"
FREE, UNKNOWN, WALL, SENSED = "#ffffff", "#e4e7eb", "#5b6675", "#222b38"
STRIPES = ("#1d2733", "#f2b705")
"""Hazard tape: an obstacle that is not on the robot's map."""
PLAN, ROBOT, SCREEN = "#0b4fd1", "#0d2f6e", "#00a9c9"
FOLLOWED = "#e07b00"
PERSON, UNSEEN = "#8a3ea8", "#a9a3ad"
TRAIL, GUIDE, GOAL = "#5b6675", "#a8b7c8", "#0d2f6e"
ROOMS = (
    *("#dbe8f6", "#fbe6cf", "#dcefdc", "#f3dfe9", "#eee8c9", "#d9eef0", "#e6e0f3", "#f6dcd6"),
    *("#e3ead0", "#d6e0ea", "#efe3da", "#d8ece3"),
)
"""Tints of rooms, pale enough for text and walls to stand out."""
DOOR, DOOR_NARROW, UNREACHED = "#0b4fd1", "#c2571a", "#9aa5b1"
ZONES = {"no-go": ("#b3261e", "xx"), "slow": ("#b88600", ".."), "stairs": ("#7a1f8a", "||")}
"""Colour and hatching of zones by kind."""
SPEED, TURN = "#0b4fd1", "#c2571a"
CONTACT = "#b3261e"
BAND, GRID = "#eef1f4", "#e4e7eb"
"""What is within bounds, and the lines to read a value by."""

COST = LinearSegmentedColormap.from_list(
    "cost", ["#004d1e", "#2f7d2c", "#7f9426", "#c9a032", "#f09a68", "#ffa29a"]
)
"""0 is the best candidate, 1 the worst; CIE lightness 28, 46, 58, 68, 71, 76, and it rises as
well for who sees no red, no green or no blue."""

TIME = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.92, 256)), "time")
"""0 is the start of a drive, 1 its end; without the palest, which is lost on white."""

CELLS, CLOUDS, WINDOWS, ARROWS, TRAILS, FANS, BODIES, PLANS, ROBOTS = range(1, 10)
"""Order of drawing, from the floor up."""


def surprising(
    occupancy: Int[np.ndarray, "H W"], blocked: Bool[np.ndarray, "H W"]
) -> Bool[np.ndarray, "H W"]:
    """Cells that the robot's map calls free although something is there."""
    return blocked & (occupancy >= 0) & (occupancy < 50)


def cell_colours(
    occupancy: Int[np.ndarray, "H W"], blocked: Bool[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 4"]:
    """The house from above, RGBA: the robot's map, and striped what is not on it."""
    share = np.clip(occupancy, 0, 100)[..., None] / 100.0
    colours = share * to_rgba(WALL) + (1.0 - share) * to_rgba(FREE)
    colours[occupancy < 0] = to_rgba(UNKNOWN)
    rows, columns = np.indices(occupancy.shape)
    surprise = surprising(occupancy, blocked)
    for band, colour in enumerate(STRIPES):
        colours[surprise & ((rows + columns) // 2 % 2 == band)] = to_rgba(colour)
    return np.rint(255.0 * colours).astype(np.uint8)


def dress(axes: Axes, grid: bool = False) -> None:
    """Frame, ticks and labels as in all pictures; with ``grid`` lines to read values by."""
    axes.tick_params(colors=INK, labelsize=8.5, length=3)
    for side in axes.spines.values():
        side.set(color=FAINT, linewidth=0.8)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9.5)
    if grid:
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
