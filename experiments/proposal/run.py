"""Does a network that proposes seeds find better plans with as many evaluations?

    ASTRO_JAX_DATA=… python experiments/proposal/run.py record train judge

``record`` drives homes in which nobody is judged, ``train`` teaches the network by the planner's
own objective, ``judge`` compares searches on the 128 moments of ``experiments/search_quality``, of
other homes.  Everything is kept in out/proposal.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "search_quality"))
import record
from arena import CONDITIONS, keys_of, known_before, multistart
from ours import SPLITS, price, search_from
from problem import BASIS, DIMENSION, ROBOT, Moment, folded, judge_at, seeds_of

from astro_jax.config import PlannerConfig
from astro_jax.learning.network_file import read_proposal, write_proposal
from astro_jax.local.proposal import WAYS, Proposal, features, propose, untaught

OUT = record.REPOSITORY / "out" / "proposal"
HOMES = record.HOMES["train"]
ROUNDS = 1
"""Times each home is driven, by six robots among other people."""
SECONDS, KEPT_PER_SECOND = 40, 5
BATCH, STEPS, RATE = 32, 3000, 1e-3
SHARP = 0.2
"""How soft the least cost of a moment's proposals is, s."""
HELD = 8
"""One moment in so many is not learned from: it tells when to stop."""
TRIED = (64, 256, 600)
"""Evaluations."""
REPEATS = 3
"""Searches of each moment, with other random numbers."""


def recorded() -> Moment:
    """All moments, a leading axis."""
    with np.load(OUT / "moments.npz", allow_pickle=False) as arrays:
        return record.rebuild(Moment, arrays, "")


def drive() -> None:
    """Moments of closed loops in homes of which none is judged."""
    found = []
    record.KEPT_PER_SECOND = KEPT_PER_SECOND
    for lap in range(ROUNDS):
        for number, name in enumerate(HOMES):
            began = time.perf_counter()
            moments = record.drive_home(name, 50 * (lap + 1) + number, "train", SECONDS)
            found += [moment for _, moment in moments]
            print(
                f"{name}: {len(moments)} moments, {time.perf_counter() - began:.0f} s", flush=True
            )
    OUT.mkdir(parents=True, exist_ok=True)
    whole = jax.tree.map(lambda *leaves: np.stack(leaves), *found)
    np.savez(OUT / "moments.npz", **record.flatten(whole))  # type: ignore[arg-type]


def least(cost, sharp=SHARP):
    """A soft minimum over proposals; what is not finite counts as bad."""
    bounded = jnp.clip(jnp.where(jnp.isfinite(cost), cost, 30.0), -30.0, 30.0)
    return -sharp * jax.nn.logsumexp(-bounded / sharp, axis=-1)


def train() -> None:
    """Down the objective of the proposals themselves: nobody has to show what is good.

    Half of the moments are seen without their last plan.  Kept is what did best on the moments
    that are not learned from.
    """
    moments = recorded()
    count = len(moments.previous)
    held = np.arange(count) % HELD == 0
    random = np.random.default_rng(0)

    def loss(network, moments, cold):
        def one(moment, cold):
            bare = dataclasses.replace(moment, previous=jnp.zeros_like(moment.previous))
            moment = jax.tree.map(lambda a, b: jnp.where(cold, a, b), bare, moment)
            cost = judge_at(moment)(proposed(network, moment))[0]
            return least(cost), jnp.min(jnp.where(jnp.isfinite(cost), cost, 30.0))

        soft, hard = jax.lax.map(lambda own: one(*own), (moments, cold))
        return jnp.mean(soft), jnp.mean(hard)

    taken = lambda which: jax.tree.map(lambda leaf: leaf[which], moments)
    network = untaught(jax.random.key(0), seen(taken(0)).shape[0], DIMENSION)
    rule = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(optax.cosine_decay_schedule(RATE, STEPS), weight_decay=1e-3),
    )
    state = rule.init(network)

    @jax.jit
    def step(network, state, moments, cold):
        (_, hard), slope = jax.value_and_grad(loss, has_aux=True)(network, moments, cold)
        sound = jnp.isfinite(optax.global_norm(slope))
        change, after = rule.update(slope, state, network)
        keep = lambda new, old: jnp.where(sound, new, old)
        moved = jax.tree.map(keep, optax.apply_updates(network, change), network)
        return moved, jax.tree.map(keep, after, state), hard

    judged = jax.jit(loss)
    learn, check = np.flatnonzero(~held), np.flatnonzero(held)
    check = check[: BATCH * (len(check) // BATCH)].reshape(-1, BATCH)
    best, curve, began = np.inf, [], time.perf_counter()
    for number in range(STEPS):
        which = random.choice(learn, BATCH, replace=False)
        network, state, hard = step(network, state, taken(which), random.random(BATCH) < 0.5)
        curve.append(float(hard))
        if number % 100 == 99:
            cold = np.arange(BATCH) % 2 == 0
            value = float(np.mean([judged(network, taken(part), cold)[1] for part in check]))
            kept = value < best
            print(
                f"{number + 1}: {np.mean(curve[-100:]):.3f}, held out {value:.3f}"
                f"{' *' if kept else ''} ({time.perf_counter() - began:.0f} s)",
                flush=True,
            )
            if kept:
                best = value
                write_proposal(OUT / "network.npz", network)


def seen(moment: Moment):
    return features(ROBOT, BASIS, moment.world, moment.field, moment.previous)


def proposed(network: Proposal, moment: Moment):
    return propose(ROBOT, BASIS, network, moment.world, moment.field, moment.previous)


def judge() -> None:
    """The planner's own search with its own seeds, and with proposals in place of its last ones."""
    moments, strata, _ = record.load("test")
    network, costs, ends = read_proposal(OUT / "network.npz"), {}, []
    for budget in TRIED:
        for name, count in (("own seeds", 0), ("with proposals", WAYS)):
            call = searcher(network, SPLITS[budget], count)
            for condition in CONDITIONS:
                before = known_before(moments, condition)
                traces = [call(before, keys_of(moments, repeat)) for repeat in range(REPEATS)]
                costs[name, condition, budget] = np.stack(
                    [np.where(t.spent <= budget, t.cost, np.inf).min(axis=1) for t in traces]
                )
                ends.append(np.asarray(traces[0].z))
            print(name, budget, price(SPLITS[budget]), flush=True)

    def alone(moment: Moment):
        return jnp.min(judge_at(moment)(proposed(network, moment))[0])

    for condition in CONDITIONS:
        cost = jax.jit(lambda seen: jax.lax.map(alone, seen))(known_before(moments, condition))
        costs["proposals alone", condition, WAYS] = np.asarray(cost)[None]
    values, _ = multistart(moments, jnp.asarray(np.stack(ends[-4:], axis=1)), 24)
    known = np.min([values.min(axis=1), *(c.min(axis=0) for c in costs.values())], axis=0)
    told = {"|".join(map(str, key)): value for key, value in costs.items()}
    np.savez(OUT / "judged.npz", known=known, strata=strata, **told)
    show(costs, known)


def searcher(network: Proposal, config: PlannerConfig, count: int):
    """The search of many moments, ``count`` of its seeds said by the network."""

    def one(own):
        moment, key = own
        key_seeds, key_local = jax.random.split(key)
        seeds = folded(seeds_of(moment, key_seeds, config.candidates - count))
        if count:
            seeds = jnp.concatenate([seeds, proposed(network, moment)], axis=-1)
        return search_from(moment, seeds, key_local, config)

    return jax.jit(lambda moments, keys: jax.lax.map(one, (moments, keys)))


def show(costs, known) -> None:
    """Regret of both, and the paired difference with its interval over moments."""
    random = np.random.default_rng(0)
    draws = random.integers(len(known), size=(2000, len(known)))
    print("| evaluations | | cold: median | p90 | mean | warm: median | p90 | mean |")
    print("|" + "---|" * 8)
    for name, _, budget in dict.fromkeys((n, "", b) for n, _, b in costs):
        cells = []
        for condition in CONDITIONS:
            regret = costs[name, condition, budget] - known
            cells += [np.median(regret), np.quantile(regret, 0.9), regret.mean()]
        print(f"| {budget} | {name} | " + " | ".join(f"{c:.4f}" for c in cells) + " |")
    for budget in TRIED:
        for condition in CONDITIONS:
            gain = (
                costs["own seeds", condition, budget] - costs["with proposals", condition, budget]
            ).mean(axis=0)
            low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
            print(f"{budget}, {condition}: {gain.mean():.4f} s gained ({low:.4f} to {high:.4f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="+", choices=["record", "train", "judge"])
    for step in parser.parse_args().steps:
        {"record": drive, "train": train, "judge": judge}[step]()


if __name__ == "__main__":
    main()
