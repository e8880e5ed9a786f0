"""Rows of the results page from files of results: per suite and planner, by stratum if asked."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from astro_jax.bench.intervals import wilson
from astro_jax.errors import InputError

Row = Mapping[str, Any]
SHARES = ("success", "collision", "at_fault", "timeout")
MEANS = ("time", "sparc", "rms_jerk", "discomfort", "min_gap", "min_gap_people")


def rows_of(files: Sequence[Path]) -> list[Row]:
    """All lines; of the same episode of the same planner the last one."""
    found: dict[tuple, Row] = {}
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            try:
                row = json.loads(line)
                key = tuple(row[k] for k in ("suite", "variant", "planner", "case", "run"))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError("results", line[:60], "a row", f"{file}:{number}") from error
            found[key] = row
    return list(found.values())


def share(rows: Sequence[Row], key: str) -> str:
    """Percent, with Wilson's 95 % interval."""
    known = [bool(row[key]) for row in rows if row.get(key) is not None]
    if not known:
        return ""
    low, high = wilson(sum(known), len(known))
    return f"{100 * np.mean(known):.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def mean(rows: Sequence[Row], key: str) -> str:
    """Of what is known; ``time`` is that of successes."""
    known = [row[key] for row in rows if row.get(key) is not None and math.isfinite(row[key])]
    return f"{np.mean(known):.2f}" if known else ""


def line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main(files: tuple[Path, ...], strata: bool = False) -> None:
    """A Markdown table per suite."""
    rows = rows_of(files)
    for suite, variant in dict.fromkeys((row["suite"], row["variant"]) for row in rows):
        own = [row for row in rows if (row["suite"], row["variant"]) == (suite, variant)]
        shares = [key for key in SHARES if any(key in row for row in own)]
        means = [key for key in MEANS if any(key in row for row in own)]
        print(f"\n{suite} {variant}\n")
        heading = ["planner", *(["stratum"] if strata else []), "episodes", *shares, *means]
        print(line(heading))
        print(line(["---"] * len(heading)))
        for planner in dict.fromkeys(row["planner"] for row in own):
            theirs = [row for row in own if row["planner"] == planner]
            groups = dict.fromkeys(row["stratum"] for row in theirs) if strata else [""]
            for group in groups:
                part = [row for row in theirs if group in ("", row["stratum"])]
                cells = [planner, *([group] if strata else []), len(part)]
                cells += [share(part, key) for key in shares] + [mean(part, k) for k in means]
                print(line(cells))


if __name__ == "__main__":
    tyro.cli(main)
