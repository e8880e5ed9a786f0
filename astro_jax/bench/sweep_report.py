"""What a store of a sweep says: by setting, and by the value of each thing that varied. [host]

Every setting meets the same episodes (case and run, with their seed), some of which take longer
than others whatever the setting.  So a mean has two intervals: ``low``–``high`` is where it may
lie over all episodes there could be (bootstrap; shares: Wilson), ``within_low``–``within_high``
is for comparing settings with each other.  For that a figure is a sum of what its setting does and
what its episode does, vₛₑ ≈ aₛ + bₑ (least squares); ``within`` is the mean of vₛₑ − bₑ on top of
that of all bₑ, which is fair to settings that have succeeded in different episodes.  What varied
beside a thing is averaged in each episode first: settings do not make episodes more.  In a grid
that is the same beside every value; what random draws have put beside one is in no interval.

Times are those of the drives that succeeded.  Tasks that failed (raised, or took their worker
down) are counted, not averaged.

Source: Cousineau, "Confidence intervals in within-subject designs", Tutorials in Quantitative
Methods for Psychology 1, 2005.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
"""Case and run."""
SWEEPS = 100


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


def _known(rows: Rows, name: str) -> Rows:
    """The rows that have a figure."""
    driven = (row for row in rows if not row["failed"])
    return [row for row in driven if row.get(name) is not None and math.isfinite(row[name])]


def _by_episode(rows: Rows, name: str) -> dict[Episode, float]:
    """The mean of a measure in each episode that has one."""
    values: dict[Episode, list[float]] = {}
    for row in _known(rows, name):
        values.setdefault(_episode(row), []).append(float(row[name]))
    return {episode: sum(known) / len(known) for episode, known in values.items()}


def _usual(rows: Rows, name: str) -> dict[Episode, float]:
    """What each episode does to a measure, whatever the setting: bₑ, on the mean 0."""
    known = _known(rows, name)
    if not known:
        return {}
    value = np.array([float(row[name]) for row in known])
    settings, setting = np.unique([row["setting"] for row in known], return_inverse=True)
    episodes = list(dict.fromkeys(_episode(row) for row in known))
    place = {episode: k for k, episode in enumerate(episodes)}
    episode = np.array([place[_episode(row)] for row in known])
    effect = np.zeros(len(episodes))
    for _ in range(SWEEPS):  # least squares, one kind of effect after the other
        of_setting = _mean(setting, value - effect[episode], len(settings))
        effect = _mean(episode, value - of_setting[setting], len(episodes))
    return dict(zip(episodes, (effect - effect.mean()).tolist(), strict=True))


def _mean(group: np.ndarray, value: np.ndarray, groups: int) -> np.ndarray:
    return np.bincount(group, value, groups) / np.bincount(group, minlength=groups)


def _episode(row: Mapping[str, Any]) -> Episode:
    return row["case"], row["run"]


def _summed_up(rows: Rows, usual: Mapping[str, Mapping[Episode, float]]) -> dict[str, Any]:
    """Every measure and its intervals, by names that begin with the measure's."""
    driven = sum(not row["failed"] for row in rows)
    found: dict[str, Any] = {"episodes": driven, "failed": len(rows) - driven}
    for name in MEASURES:
        each = _by_episode(rows, name)
        if not usual[name]:
            continue
        values = list(each.values())
        found[name] = sum(values) / len(values) if values else math.nan
        if is_share(name):
            ends = wilson(sum(values), len(values))
        else:
            ends = bootstrap(values)
            alike = [value - usual[name][episode] for episode, value in each.items()]
            found[f"{name}_within"] = sum(alike) / len(alike) if alike else math.nan
            low, high = bootstrap(alike)
            found |= {f"{name}_within_low": low, f"{name}_within_high": high}
        found |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return found


def is_share(name: str) -> bool:
    """Whether a measure is a share of the drives."""
    return name in ("success", "collision", "at_fault")
