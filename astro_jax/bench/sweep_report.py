"""What a store of a sweep says: by setting, and by the value of each thing that varied. [host]

Every setting meets the same episodes (case and run, with their seed), some of which take longer
than others whatever the setting.  So a mean has two intervals: ``low``–``high`` is where it may
lie over all episodes there could be (bootstrap; shares: Wilson), ``within_low``–``within_high``
is for comparing settings with each other: of what an episode's figure differs from that episode's
mean over the settings.  ``within`` is the mean of those differences on top of the overall mean; it
is what to compare where settings have succeeded in different episodes.  What varied beside a thing
is averaged in each episode first: settings do not make episodes more.

Times are those of the drives that succeeded.  Tasks that failed (raised, or took their worker
down) are counted, not averaged.

Source: Cousineau, "Confidence intervals in within-subject designs", Tutorials in Quantitative
Methods for Psychology 1, 2005.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from astro_jax.bench.intervals import bootstrap, wilson
from astro_jax.bench.report import Report
from astro_jax.errors import InputError
from astro_jax.sweep.store import read_rows

MEASURES: Mapping[str, str] = {
    "success": "success",
    "collision": "touched",
    "at_fault": "at fault",
    "contacts": "contacts",
    "time": "time of successes, s",
    "sparc": "SPARC (0 is best)",
    "rms_jerk": "RMS jerk, m/s³",
}
"""Columns of the suites that are summed up, as far as a suite has them, and their headings."""
Rows = Sequence[Mapping[str, Any]]
Episode = tuple[str, int]


def sweep_report(folder: Path) -> Report:
    """Sum up a store, whether its sweep is finished or not.

    Raises:
      InputError: there is no store, it is damaged, or nothing is in it yet.
    """
    manifest, rows = read_rows(folder)
    if not rows:
        raise InputError("store", str(folder), "a store with finished tasks (there are none yet)")
    swept, cases, marginals = list(manifest.swept), [], []
    for place, own in _alike(rows, ("suite", "variant")):
        usual = {name: _usual(own, name) for name in MEASURES}
        for which, part in _alike(own, ("setting", *swept)):
            cases.append({**place, **which, **_summed_up(part, usual)})
        for name in swept:
            for which, part in _alike(own, (name,)):
                value = which[name]
                marginals.append({**place, "name": name, "value": value, **_summed_up(part, usual)})
    failed = [row for row in rows if row["failed"]]
    return Report(
        name="sweep",
        metrics={
            "settings": len(manifest.settings),
            "planned": len(manifest.tasks),
            "finished": len(rows),
            "missing": len(manifest.tasks) - len(rows),
            "failed": len(failed),
        },
        cases=cases,
        config={
            "kind": manifest.kind,
            "swept": swept,
            "code": manifest.code,
            "commit": manifest.commit,
            "marginals": marginals,
            "failed": failed,
        },
    )


def _alike(rows: Rows, names: Sequence[str]) -> Iterator[tuple[dict[str, Any], Rows]]:
    """What rows agree in, and the rows, in order."""
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    for key in sorted(found, key=lambda key: [(isinstance(v, str), v) for v in key]):
        yield dict(zip(names, key, strict=True)), found[key]


def _by_episode(rows: Rows, name: str) -> dict[Episode, float]:
    """The mean of a measure in each episode that has one."""
    values: dict[Episode, list[float]] = {}
    for row in rows:
        value = row.get(name)
        if not row["failed"] and value is not None and math.isfinite(value):
            values.setdefault((row["case"], row["run"]), []).append(float(value))
    return {episode: sum(known) / len(known) for episode, known in values.items()}


def _usual(rows: Rows, name: str) -> tuple[dict[Episode, float], float]:
    """Of all settings: the mean in each episode, and over episodes."""
    each = _by_episode(rows, name)
    return each, sum(each.values()) / len(each) if each else math.nan


def _summed_up(
    rows: Rows, usual: Mapping[str, tuple[Mapping[Episode, float], float]]
) -> dict[str, Any]:
    """Every measure and its intervals, by names that begin with the measure's."""
    driven = sum(not row["failed"] for row in rows)
    found: dict[str, Any] = {"episodes": driven, "failed": len(rows) - driven}
    for name in MEASURES:
        each = _by_episode(rows, name)
        if not usual[name][0]:
            continue
        values = list(each.values())
        found[name] = sum(values) / len(values) if values else math.nan
        if is_share(name):
            ends = wilson(sum(values), len(values))
        else:
            ends = bootstrap(values)
            means, overall = usual[name]
            differs = [value - means[episode] + overall for episode, value in each.items()]
            found[f"{name}_within"] = sum(differs) / len(differs) if differs else math.nan
            low, high = bootstrap(differs)
            found |= {f"{name}_within_low": low, f"{name}_within_high": high}
        found |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return found


def is_share(name: str) -> bool:
    """Whether a measure is a share of the drives."""
    return name in ("success", "collision", "at_fault")
