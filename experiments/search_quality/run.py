"""Regret of search methods on real local scenes: table, figures and plot in one command.

``python experiments/search_quality/run.py`` needs the recorded moments (made on the first
run, a quarter of an hour) and ``tuned.json`` (made by tune.py).
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
import record
import tune
from arena import CONDITIONS, PUBLISHED, multistart, run_ours, run_published
from ours import SPLITS, price, split
from plot import draw
from tune import BUDGETS

from astro_jax.bench.report import Report, write_json

HERE = Path(__file__).parent
OURS = "Astro"
SHOWN = 600
"""The budget of the planner's default configuration, and of the ablations."""
RESAMPLES = 1000
SEEDED = ("CEM", "iCEM", "CMA-ES", "top-k Adam", "top-k L-BFGS")

Costs = dict[tuple[str, str, int], np.ndarray]
"""(method, condition, budget) → best cost, repeats x moments."""


def measure(moments, budgets, repeats: int) -> tuple[Costs, np.ndarray]:
    """Everybody's best costs, and the best z that anybody found per moment (few of them)."""
    tuned = tune.load()
    costs: Costs = {}
    found: list[np.ndarray] = []

    def note(name, condition, budget, traces):
        best = [np.where(t.spent <= budget, t.cost, np.inf).min(axis=1) for t in traces]
        costs[name, condition, budget] = np.minimum(np.stack(best), 1e6)
        if budget == max(budgets):
            found.append(traces[0].z)

    for method in PUBLISHED:
        began = time.perf_counter()
        for condition in CONDITIONS:
            for budget in budgets:
                chosen = tuned[method.name][condition][str(budget)]
                seeded = (False, True) if budget == SHOWN and method.name in SEEDED else (False,)
                for with_seeds in seeded:
                    if with_seeds:  # from a good point on, as with a previous plan
                        chosen = tuned[method.name]["warm"][str(budget)]
                    traces = [
                        run_published(
                            method,
                            chosen["variant"],
                            chosen["settings"],
                            moments,
                            condition,
                            budget,
                            repeat,
                            with_seeds,
                        )
                        for repeat in range(repeats)
                    ]
                    name = method.name + (" + our seeds" if with_seeds else "")
                    note(name, condition, budget, traces)
        print(f"{method.name}: {time.perf_counter() - began:.0f} s", flush=True)

    began = time.perf_counter()
    for condition in CONDITIONS:
        for budget in budgets:
            traces = [
                run_ours(SPLITS[budget], moments, condition, repeat) for repeat in range(repeats)
            ]
            note(OURS, condition, budget, traces)
        if SHOWN in budgets:
            traces = [
                run_ours(SPLITS[SHOWN], moments, condition, repeat, sobol=True)
                for repeat in range(repeats)
            ]
            note("our descents from Sobol", condition, SHOWN, traces)
            only = split(SHOWN, 1, 0)
            traces = [run_ours(only, moments, condition, repeat) for repeat in range(repeats)]
            note("our seeds alone", condition, SHOWN, traces)
    print(f"{OURS}: {time.perf_counter() - began:.0f} s", flush=True)
    return costs, np.stack(found, axis=1)


def summary(regret: np.ndarray, random: np.random.Generator) -> dict[str, tuple]:
    """Median, p90 and mean over repeats and moments; 95 % by resampling the moments."""
    measures = {
        "median": lambda r: np.median(r, axis=(0, 1)),
        "p90": lambda r: np.quantile(r, 0.9, axis=(0, 1)),
        "mean": lambda r: np.mean(r, axis=(0, 1)),
    }
    draws = random.integers(regret.shape[1], size=(regret.shape[1], RESAMPLES))
    resampled = regret[:, draws]
    return {
        name: (float(of(regret)), *(float(q) for q in np.quantile(of(resampled), [0.025, 0.975])))
        for name, of in measures.items()
    }


def table(figures: dict, strata_rows: list[str], count: int) -> str:
    """Markdown: the default budget with intervals, then all budgets."""
    names = [m.name for m in PUBLISHED] + [OURS]
    budgets = sorted({key[2] for key in figures})

    def cell(name, condition, budget, measure):
        return f"{figures[name, condition, budget][measure][0]:.4f}"

    lines = [f"At {SHOWN} evaluations, {count} moments (95 % intervals over the moments):", ""]
    lines += ["| method | cold: median | p90 | mean | warm: median | p90 | mean |"]
    lines += ["|---|---|---|---|---|---|---|"]
    rows = [name for name, condition, budget in figures if (condition, budget) == ("cold", SHOWN)]
    ours = [OURS]
    for name in [*ours, *(n for n in names if n != OURS), *(n for n in rows if n not in names)]:
        cells = []
        for condition in CONDITIONS:
            for measure in ("median", "p90", "mean"):
                value, low, high = figures[name, condition, SHOWN][measure]
                cells.append(
                    f"{value:.4f} ({low:.4f}–{high:.4f})" if measure != "mean" else f"{value:.3f}"
                )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for condition in CONDITIONS:
        lines += ["", f"Median / p90 regret by budget, {condition}:", ""]
        lines += ["| method | " + " | ".join(map(str, budgets)) + " |"]
        lines += ["|---" * (len(budgets) + 1) + "|"]
        for name in [OURS, *(n for n in names if n != OURS)]:
            cells = [
                f"{cell(name, condition, b, 'median')} / {cell(name, condition, b, 'p90')}"
                for b in budgets
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *strata_rows])


def by_stratum(costs: Costs, optimum, strata) -> list[str]:
    """Where the regret comes from: ours and the best other method at the default budget."""
    lines = [f"{OURS} at {SHOWN} by kind of place (median / p90 regret, share above .05 s):", ""]
    lines += ["| place | cold | warm |", "|---|---|---|"]
    for stratum in record.STRATA:
        cells = []
        for condition in CONDITIONS:
            regret = (costs[OURS, condition, SHOWN] - optimum)[:, strata == stratum]
            cells.append(
                f"{np.median(regret):.4f} / {np.quantile(regret, 0.9):.4f}, "
                f"{np.mean(regret > 0.05):.0%}"
            )
        lines.append(f"| {stratum} | " + " | ".join(cells) + " |")
    return lines


def into_readme(text: str) -> None:
    """Replace what stands between the two marks."""
    path = HERE / "README.md"
    before, rest = path.read_text().split("<!-- results -->\n", 1)
    _, after = rest.split("<!-- end of results -->", 1)
    path.write_text(f"{before}<!-- results -->\n{text}\n<!-- end of results -->{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="16 moments, two budgets, no README")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()

    moments, strata, homes = record.load("test")
    budgets, repeats = BUDGETS, options.repeats
    if options.quick:
        pick = np.arange(0, len(strata), len(strata) // 16)[:16]
        moments = jax.tree.map(lambda leaf: leaf[pick], moments)
        strata, homes = strata[pick], homes[pick]
        budgets, repeats = (64, SHOWN), 1

    costs, found = measure(moments, budgets, repeats)
    ends, _ = multistart(moments, found)
    # the optimum is the best that anybody has ever seen
    best = [ends.min(axis=1), *(c.min(axis=0) for c in costs.values())]
    optimum = np.min(np.stack(best), axis=0)
    agree = np.mean(ends < optimum[:, None] + 0.005, axis=1)
    print(
        f"ends within 5 ms of the optimum: median {np.median(agree):.0%}, least {agree.min():.0%}"
    )

    random = np.random.default_rng(0)
    figures = {key: summary(cost - optimum, random) for key, cost in costs.items()}
    text = table(figures, by_stratum(costs, optimum, strata), len(strata))
    print(text)
    out = record.FILE.parent
    name = "quick" if options.quick else "search_quality"
    named = {".".join(map(str, (*key, m))): v for key, f in figures.items() for m, v in f.items()}
    report = Report(
        name="search_quality",
        config={
            "tuned": tune.load(),
            "splits": {b: price(c) for b, c in SPLITS.items()},
            "repeats": repeats,
            "quick": options.quick,
        },
        metrics={name: value[0] for name, value in named.items()},
        intervals={name: value[1:] for name, value in named.items()},
        cases=[
            {"id": k, "home": str(homes[k]), "place": str(strata[k]), "optimum": optimum[k]}
            | {
                f"{who}.{condition}": costs[who, condition, SHOWN][:, k].mean() - optimum[k]
                for who, condition, budget in figures
                if budget == SHOWN
            }
            for k in range(len(strata))
        ],
    )
    write_json(out / f"{name}.json", report.as_dict())
    picture = out / "quick.png" if options.quick else HERE / "regret.png"
    draw(figures, [OURS, *(m.name for m in PUBLISHED)], OURS, picture)
    if not options.quick:
        into_readme(text)


if __name__ == "__main__":
    main()
