"""What a trial has shown, line by line, and whether that is what was asked for.      [host]"""

import dataclasses
from typing import Any

TICK_MS, CYCLE_MS, ONSET_TICKS = 20.0, 50.0, 3
"""Every gate tick, 99.9 % of the planner's cycles, and a stop after the planner's death."""
GROWTH = 0.02
"""Of the memory in the last three quarters of a run …"""
LONG = 24
"""… of so many samples at least."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One of them."""

    what: str
    found: str
    wanted: str = ""
    kept: bool = True


def verdict(report: dict[str, Any], replays: dict[str, str] | None = None) -> list[Line]:
    """Of a trial's report; ``replays``: by black box, the first difference or nothing."""
    gate, planner, sim = report["gate"], report["planner"], report["sim"]
    tick, cycle = gate["ticks"]["until sent"], planner["cycles"]["took"]
    ticks, ended = report["killed"]["ticks to the stop"], report["ended"]
    lines = [
        Line(
            what="gate tick, due to sent",
            found=_ms(tick),
            wanted=f"all ≤ {TICK_MS:g} ms",
            kept=tick["worst"] <= TICK_MS,
        ),
        Line(what="gate tick, late", found=_ms(gate["ticks"]["late"])),
        Line(
            what="ticks skipped",
            found=f"{gate['skipped']} of {tick['count']}",
            wanted="none",
            kept=gate["skipped"] == 0,
        ),
        Line(
            what="planner cycle",
            found=_ms(cycle),
            wanted=f"99.9 % ≤ {CYCLE_MS:g} ms",
            kept=cycle["p999"] <= CYCLE_MS,
        ),
        Line(what="plans missed", found=f"{gate['missed plans']} of {gate['plans']}"),
        Line(what="planner silent", found=f"{gate['planner silent']} times"),
        Line(what="command to command, at the base", found=_ms(sim["gaps"])),
        Line(what="simulator, late", found=_ms(sim["late"])),
        *(Line(what=f"age of {name}", found=_ms(age)) for name, age in gate["ages"].items()),
        *(_memory(role, samples) for role, samples in report["memory"].items()),
        Line(
            what="planner killed: ticks to the stop",
            found=str(ticks),
            wanted=f"≤ {ONSET_TICKS} (60 ms)",
            kept=ticks <= ONSET_TICKS,
        ),
        Line(
            what="SIGTERM: exit code",
            found=f"{ended['code']} after {ended['seconds']} s",
            wanted="0",
            kept=ended["code"] == 0,
        ),
        Line(
            what="contacts at fault",
            found=f"{sim['at fault']} of {sim['contacts']}",
            wanted="none",
            kept=sim["at fault"] == 0,
        ),
        Line(
            what="driven",
            found=f"{sim['metres']} m, {sim['arrivals']} arrivals",
            wanted="some",
            kept=sim["metres"] > 1.0,
        ),
        Line(what="turn, memory of the gate", found=f"{gate['turn']}, {gate['memory']}"),
        Line(
            what="load; cores, stolen from them",
            found=f"{report['load']:.1f}; {report['cores']}, {report['stolen']:.2f} s",
        ),
    ]
    for name, difference in (replays or {}).items():
        found = difference or "bit-identical"
        lines.append(Line(what=f"replay {name}", found=found, wanted="same", kept=not difference))
    return lines


def _ms(summary: dict[str, Any]) -> str:
    shares = ("p50", "p99", "p999", "worst")
    return " / ".join(f"{summary[share]:.2f}" for share in shares) + " ms"


def _memory(role: str, samples: list[float]) -> Line:
    late = samples[len(samples) // 4 :]
    grown = late[-1] - late[0]
    found = f"{samples[0]:.0f} … {samples[-1]:.0f} MB, {grown:+.1f} in the last ¾"
    if len(samples) < LONG:
        return Line(what=f"memory of {role}", found=found)
    kept = grown <= GROWTH * late[0]
    return Line(what=f"memory of {role}", found=found, wanted=f"≤ +{GROWTH:.0%}", kept=kept)
