"""Weeks in homes whose doors have habits: what is a memory of doors worth?"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from drive import Home, oracle_time, trip
from habits import DAY, HOUR, KINDS, MONDAY, is_open, merged
from homes import drawn, flat
from policies import Habits, KnowsHabits, LastSeen, NoMemory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=6)
    parser.add_argument("--trips", type=int, default=24, help="a day")
    parser.add_argument("--drawn", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS)[:5], choices=list(KINDS))
    parser.add_argument("--out", type=Path, default=Path("out/doors"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in (0, *options.drawn):
        house, doors = flat() if number == 0 else drawn(number)
        home = Home(house, doors, places=15, seed=number)
        for seed in options.seeds:
            begin = time.process_time()
            rows += weeks(home, options.kinds, options.weeks, options.trips, 1000 * number + seed)
            spent = time.process_time() - begin
            (options.out / "doors.json").write_text(json.dumps(rows))
            print(
                f"{house.name}, seed {seed}: {len(rows)} trips in all, {spent:.0f} s of CPU",
                flush=True,
            )


def weeks(home: Home, names: list[str], count: int, trips: int, seed: int) -> list[dict]:
    """All trips of one home with one draw of habits, for each way to choose."""
    rng = np.random.default_rng(seed)
    days = 7 * count
    kinds = [names[k] for k in rng.integers(len(names), size=len(home.doors))]
    closed = [merged(KINDS[kind](rng, days + 1)) for kind in kinds]
    policies = [NoMemory(home), LastSeen(home), Habits(home), KnowsHabits(home, kinds)]
    rows, place = [], 0
    for day in range(days):
        for t in np.sort(rng.uniform(6.5, 23.5, trips)) * HOUR + day * DAY:
            goal = int(rng.integers(len(home.places)))
            truth = np.array([is_open(intervals, t) for intervals in closed])
            best = oracle_time(home, place, goal, truth) if goal != place else np.inf
            if not np.isfinite(best):
                continue  # nobody can go there now, or is there already
            row = {"home": home.house.name, "seed": seed, "day": day, "oracle": best}
            for policy in policies:
                choose = policy.chooser(goal, MONDAY + t)
                row[policy.name], known = trip(home, place, goal, truth, choose)
                policy.learn(known, MONDAY + t)
            rows.append(row)
            place = goal
    return rows


if __name__ == "__main__":
    main()
