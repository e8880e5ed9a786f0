"""What a store of a sweep says: by setting, and by the value of each thing that varied. [host]

A setting drives the same cases with the same seeds as every other one.  Shares have Wilson
intervals, means those of the bootstrap over episodes.  Times are those of the drives that
succeeded.  Tasks that failed (raised, or took their worker down) are counted, not averaged.
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
    "time": "time, s",
    "sparc": "SPARC",
    "rms_jerk": "RMS jerk, m/s³",
}
"""Columns of the suites that are summed up, as far as a suite has them, and their headings."""
Rows = Sequence[Mapping[str, Any]]


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
        of_setting = list(_alike(own, ("setting", *swept)))
        cases += [{**place, **which, **_summed_up(part)} for which, part in of_setting]
        for name in swept:
            marginals += [
                {**place, "name": name, "value": which[name], **_summed_up(part)}
                for which, part in _alike(own, (name,))
            ]
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


def _summed_up(rows: Rows) -> dict[str, Any]:
    """``name``, ``name_low`` and ``name_high`` of every measure."""
    driven = [row for row in rows if not row["failed"]]
    found: dict[str, Any] = {"episodes": len(driven), "failed": len(rows) - len(driven)}
    for name in MEASURES:
        values = [row[name] for row in driven if row.get(name) is not None]
        if not values:
            continue
        if isinstance(values[0], bool):
            low, high = wilson(sum(values), len(values))
        else:
            values = [value for value in values if math.isfinite(value)]
            low, high = bootstrap(values)
        mean = sum(values) / len(values) if values else math.nan
        found |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return found


def is_share(name: str) -> bool:
    """Whether a measure is a share of the drives."""
    return name in ("success", "collision", "at_fault")
