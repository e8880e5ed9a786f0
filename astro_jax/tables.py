"""What the commands print: reports come in, tables for a terminal go out.           [host]"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from astro_jax.bench.report import Report
    from astro_jax.deploy.check import Answer
    from astro_jax.deploy.replay import Replayed
    from astro_jax.route.check import MapReport
    from astro_jax.sim.tasked import TaskEpisode


def demo_table(metrics: Mapping[str, float], episode: "TaskEpisode") -> Table:
    """How one drive went; distances in m, times in s, ms where it says so."""

    def milliseconds(name: str) -> str:
        return f"{metrics[name]:.1f} ms"

    def metres(name: str) -> str:
        value = metrics[name]
        return f"{value:.2f} m" if math.isfinite(value) else "nobody near"

    table = Table(show_header=False, title="One drive through the home")
    if metrics["timeout"]:
        ended = [result for _, _, result in episode.results]
        why = f" ({ended[-1].outcome.value})" if ended else ""
        table.add_row("reached the goal", f"no, gave up after {metrics['time']:.0f} s{why}")
    else:
        table.add_row("reached the goal", f"yes, after {metrics['time']:.1f} s")
    table.add_row("path over shortest path", f"{metrics['path_ratio']:.2f}")
    contacts = f"{metrics['contacts']:.0f}, of these at fault {metrics['at_fault']:.0f}"
    table.add_row("contacts", contacts)
    table.add_row("smallest gap to people", metres("min_clearance_people"))
    table.add_row("smallest gap to walls", metres("min_clearance_walls"))
    table.add_row("smoothness SPARC (0 is best)", f"{metrics['sparc']:.2f}")
    table.add_row("RMS jerk", f"{metrics['rms_jerk']:.2f} m/s³")
    table.add_row("route searches", f"{metrics['searches']:.0f}")
    planning = f"{milliseconds('plan_median_ms')} / {milliseconds('plan_p99_ms')}"
    table.add_row("planning time median / p99", planning)
    table.add_row(
        "compiled in, driven in", f"{metrics['compile_s']:.0f} s, {metrics['run_s']:.0f} s"
    )
    table.add_row("peak memory", f"{metrics['peak_mb']:.0f} MB")
    return table


def map_table(report: "MapReport") -> Table:
    """What there is on a map: lengths in m, areas in m²."""
    house_map = report.house_map
    rows, columns = house_map.occupancy.shape
    cell = house_map.resolution
    table = Table(show_header=False, title=f"Map {house_map.name}")
    size = f"{columns * cell:.2f} x {rows * cell:.2f} m"
    table.add_row("size", f"{size}, {columns} x {rows} cells of {100 * cell:g} cm")
    if house_map.yaw:
        table.add_row("turned by", f"{math.degrees(house_map.yaw):.1f}°")
    table.add_row("free floor", f"{report.free:.1f} m²")
    table.add_row("occupied / unknown", f"{report.occupied:.1f} / {report.unknown:.1f} m²")
    robot = report.robot
    reach = f"{report.reached_share:.1%} of the free floor"
    table.add_row("within reach", f"{reach}, for {robot.name} ({robot.length} x {robot.width} m)")
    for name, area in report.rooms.items():
        note = ", not reached" if name in report.cut_off else ""
        table.add_row(f"room: {name}", f"{area:.1f} m²{note}")
    for door in report.doors:
        x, y = house_map.to_file(door.jambs.mean(axis=0))
        named = all(room in door.name for room in door.rooms)
        joined = "" if named else f", {' – '.join(door.rooms)}"
        kind = "door given" if door in house_map.doors else "door found"
        table.add_row(f"{kind}: {door.name}", f"{door.width:.2f} m at {x:.2f}, {y:.2f}{joined}")
    for zone in house_map.zones:
        detail = {"slow": f", factor {zone.factor:g}", "stairs": f", margin {zone.margin:g} m"}
        table.add_row(f"zone: {zone.name}", zone.kind + detail.get(zone.kind, ""))
    return table


def metrics_table(name: str, metrics: Mapping[str, float]) -> Table:
    """The figures of a bench, in the units that their names say."""
    table = Table(title=f"bench {name}", show_header=False)
    for key, value in metrics.items():
        table.add_row(key, f"{value:.4g}")
    return table


def suite_table(report: "Report") -> Table:
    """Strata of a suite: shares in percent, else means, in the units that the names say."""
    table = Table(title=f"bench {report.name} by stratum")
    rows = report.cases
    shown = [key for key in rows[0] if key not in ("wall_s",)]
    for key in shown:
        table.add_column(key, justify="left" if key == "stratum" else "right")
    for row in rows:
        cells = []
        for key in shown:
            value = row[key]
            if isinstance(value, float):
                share = key in report.intervals
                value = f"{value:.1%}" if share else f"{value:.3f}"
            cells.append(str(value))
        table.add_row(*cells)
    return table


def sweep_table(report: "Report", measures: Mapping[str, str], shares: Sequence[str]) -> Table:
    """A row per setting and suite; 95 % intervals in brackets, shares in percent."""
    table = Table(title="sweep by setting")
    rows, swept = report.cases, report.config["swept"]
    shown = [name for name in measures if any(name in row for row in rows)]
    for heading in ("suite", "setting", *swept, "episodes", "failed"):
        table.add_column(heading, justify="left" if heading == "suite" else "right")
    for name in shown:
        table.add_column(measures[name], justify="right")
    for row in rows:
        cells = [f"{row['suite']} {row['variant']}", str(row["setting"])]
        cells += [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (row[s] for s in swept)]
        cells += [str(row["episodes"]), str(row["failed"])]
        for name in shown:
            scale, digits = (100.0, 1) if name in shares else (1.0, 2)
            values = [scale * row.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high")]
            mean, low, high = (f"{v:.{digits}f}" if math.isfinite(v) else "–" for v in values)
            cells.append(f"{mean}{' %' if name in shares else ''} ({low} to {high})")
        table.add_row(*cells)
    return table


SURPRISE = {
    "stratum": "stratum",
    "episodes": "episodes",
    "driven_m": "driven m",
    "arrived": "arrived",
    "contacts": "contacts",
    "static_at_fault": "static at fault",
    "passive_people": "passive people",
    "passive_in_envelope": "passive in",
    "passive_outside": "out",
    "person_too_close": "too close",
    "person_unseen": "unseen",
    "person_sudden": "sudden",
    "struck_leaving": "leaving",
    "thing_too_close": "thing too close",
    "thing_unseen": "thing unseen",
    "contact_speed": "max m/s",
    "min_ttc": "min TTC s",
    "slowed": "slowed",
    "stopped": "stopped",
    "resting": "resting",
    "frozen_s": "frozen s",
    "P1": "P1",
    "P4": "P4",
    "P6": "P6",
}
"""Columns of the table, as far as the stack has them, and their headings."""
SHARES = ("arrived", "slowed", "stopped", "resting")


def surprise_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Strata of ``bench surprise``; slowed and stopped are shares of the time that wants motion."""
    table = Table(title="bench surprise by stratum")
    shown = {key: heading for key, heading in SURPRISE.items() if key in rows[0]}
    for heading in shown.values():
        table.add_column(heading, justify="left" if heading == "stratum" else "right")
    for row in rows:
        cells = []
        for key in shown:
            value = row[key]
            if key in SHARES:
                cells.append(f"{value:.1%}")
            else:
                cells.append(f"{value:.3g}" if isinstance(value, float) else str(value))
        table.add_row(*cells)
    return table


FOLLOW = {
    "stratum": "stratum",
    "episodes": "episodes",
    "seconds": "s",
    "in_view": "in view",
    "in_band": "at 1–2 m",
    "distance_p5": "5 %",
    "distance_p50": "distance m",
    "distance_p95": "95 %",
    "min_gap": "least gap m",
    "intruded": "intruded",
    "cut_in": "cut in",
    "cut_in_others": "on others",
    "lost": "lost",
    "losses": "losses",
    "recovered": "recovered",
    "contacts": "contacts",
    "at_fault": "at fault",
    "frozen": "frozen s",
}
"""Columns of the table and their headings."""
FOLLOW_SHARES = ("in_view", "in_band", "intruded", "lost")


def follow_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Strata of ``bench follow``; shares are of the time."""
    table = Table(title="bench follow by stratum")
    for heading in FOLLOW.values():
        table.add_column(heading, justify="left" if heading == "stratum" else "right")
    for row in rows:
        cells = []
        for key in FOLLOW:
            value = row[key]
            if key in FOLLOW_SHARES:
                cells.append(f"{value:.1%}")
            else:
                cells.append(f"{value:.3g}" if isinstance(value, float) else str(value))
        table.add_row(*cells)
    return table


def intervals_table(intervals: Mapping[str, tuple[float, float]]) -> Table:
    """95 % intervals."""
    table = Table(title="95 % intervals", show_header=False)
    for key, (low, high) in intervals.items():
        table.add_row(key, f"{low:.4g} – {high:.4g}")
    return table


def intent_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Leads of ``bench intent`` by kind of turn, and where to find those that came too late."""
    table = Table(title="turns of 30° and more within 2 s, and when the screen showed them")
    table.add_column("turn")
    for heading in ("turns", "shown in time", "95 % interval", "lead p05", "p25", "median"):
        table.add_column(heading, justify="right")
    late = [row for row in rows if "late" in row]
    for row in rows:
        if "turns" not in row:
            continue
        if not row["count"]:
            table.add_row(row["turns"], "0")
            continue
        leads = [f"{row[key]:.2f} s" for key in ("lead_p05_s", "lead_p25_s", "lead_median_s")]
        interval = f"{row['low']:.1%} to {row['high']:.1%}"
        shown = f"{row['shown_in_time']:.1%}"
        table.add_row(row["turns"], str(row["count"]), shown, interval, *leads)
    for row in late:
        what = f"seed {row['seed']} at {row['begins']:.1f} s: {row['angle_deg']:+.0f}°"
        table.add_row(f"late, {row['late']}", what, "", "", f"{row['lead']:.2f} s", "", "")
    return table


def answers_table(engine: str, read: float, ready: float, answers: "Sequence[Answer]") -> Table:
    """How an artifact answered its golden cycle; ``read`` and ``ready`` in s, the rest in ms."""
    title = f"{engine}: read and verified in {read:.2f} s, ready {ready:.2f} s later"
    table = Table("function", "largest difference", "first", "median", "p99", title=title)
    for answer in answers:
        times = (answer.first_ms, answer.median_ms, answer.p99_ms)
        table.add_row(answer.function, f"{answer.worst:.1e}", *(f"{ms:.2f} ms" for ms in times))
    return table


def replay_lines(file: str, engine: str, replayed: "Replayed") -> list[str]:
    """What a black box's file came to."""
    calls = ", ".join(f"{count} {name}" for name, count in replayed.calls.items())
    lines = [f"{file}: {replayed.seconds:.1f} s, calls run again: {calls}"]
    if replayed.lost:
        lines.append(f"{replayed.lost} calls are missing: they were lost when it was recorded")
    if replayed.cut:
        lines.append(f"its last {replayed.cut} bytes are no whole record and were left out")
    if not replayed.same_artifact:
        lines.append("recorded with another artifact")
    lines.append(f"recorded by {replayed.recorded_by}; run again by {engine}")
    same = "every decision is bit-identical"
    lines.append(same if replayed.difference is None else f"differs: {replayed.difference}")
    return lines


def throughput_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row per size of the batch."""
    table = Table(title="Closed loops in batches")
    for column in ("episodes", "x real time", "µs per cycle", "compiled in", "memory"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row['batch']}",
            f"{row['real_time']:.1f}",
            f"{row['cycle_us']:.1f}",
            f"{row['compile_s']:.0f} s",
            f"{row['memory_mb']:.0f} MB",
        )
    return table
