"""What part of the floor a picture of an episode shows.                              [host]

In: a case and what happened.  Out: edges (x_low, x_high, y_low, y_high) in the map, m.
"""

import numpy as np

from astro_jax.suites.case import Case
from astro_jax.viz.happened import Happened, Span

Frame = tuple[float, float, float, float]
MARGIN, NEAR = 1.5, 0.9
"""Around the whole drive, and around its last seconds, m."""
LEAST, MOST = 2.6, 7.0
"""Height of the close-up, m."""
ONCOMING = 1.0
"""How long before a touch whoever was touched is in the close-up, s."""


def extent(case: Case) -> Frame:
    """Outer edges of the floor, m."""
    scene = case.scene
    rows, columns = np.shape(scene.blocked)
    cell = float(scene.resolution)
    x, y = np.asarray(scene.origin, np.float64) - 0.5 * cell
    return float(x), float(x + columns * cell), float(y), float(y + rows * cell)


def whole_frame(case: Case, seen: Happened, shape: float) -> Frame:
    """Around way, start and goal; wider to fill the room, as far as there is a floor."""
    goal, reached = np.asarray(case.scene.goal_map)[:2], float(np.asarray(case.scene.reached)[0])
    ends = [goal - reached, goal + reached, np.asarray(case.scene.start_map)[:2]]
    places = np.concatenate([np.asarray(seen.ticks.pose_map)[:, :2], ends])
    places = places[np.isfinite(places).all(axis=-1)]
    low, high = places.min(axis=0) - MARGIN, places.max(axis=0) + MARGIN
    floor = np.array(extent(case)).reshape(2, 2)
    low, high = np.maximum(low, floor[:, 0] - 0.1), np.minimum(high, floor[:, 1] + 0.1)
    size = high - low
    wanted = np.maximum(size, [size[1] * shape, size[0] / shape])
    for k in (0, 1):
        room = min(wanted[k], floor[k, 1] - floor[k, 0] + 0.2)
        if room > size[k]:
            low[k] = np.clip(
                0.5 * (low[k] + high[k] - room), floor[k, 0] - 0.1, floor[k, 1] + 0.1 - room
            )
            high[k] = low[k] + room
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def close_frame(case: Case, seen: Happened, span: Span, shape: float) -> Frame:
    """Around the way of the last seconds and who was touched; its end is in it in any case."""
    time, pose = np.asarray(seen.ticks.time), np.asarray(seen.ticks.pose_map)
    touch, so_far = seen.telling, pose[: seen.now + 1, :2]
    so_far = so_far[np.isfinite(so_far).all(axis=-1)]
    end = so_far[-1] if len(so_far) else np.asarray(case.scene.start_map, np.float64)[:2]
    places = np.vstack([pose[(time >= span[0] - 1e-6) & (time <= span[1] + 1e-6), :2], end[None]])
    if touch is not None:
        end = touch.place
        late = (time >= touch.time - ONCOMING) & (time <= touch.time)
        body = seen.people[late, touch.who] if touch.who is not None else end[None]
        places = np.concatenate([places, body, end[None]])
    places = places[np.isfinite(places).all(axis=-1)]
    low, high = places.min(axis=0) - NEAR, places.max(axis=0) + NEAR
    tall = float(np.clip(max((high - low)[0] / shape, (high - low)[1]), LEAST, MOST))
    half = 0.5 * tall * np.array([shape, 1.0])
    centre = np.clip(0.5 * (low + high), end - half + NEAR, end + half - NEAR)
    floor = np.array(extent(case)).reshape(2, 2)
    inner = floor[:, 0] + half, floor[:, 1] - half
    centre = np.where(inner[0] < inner[1], np.clip(centre, *inner), centre)
    (x, y), (right, up) = centre.tolist(), half.tolist()
    return x - right, x + right, y - up, y + up
