"""What a trial asked for and did not get is said."""

import copy

import pytest

from astro_jax.process.verdict import verdict

TIMES = {"count": 100, "p50": 1.0, "p99": 2.0, "p999": 3.0, "worst": 4.0}
GOOD = {
    "gate": {
        "ticks": {"until sent": TIMES, "late": TIMES},
        "ages": {"scan": TIMES},
        "skipped": 0,
        "missed plans": 1,
        "plans": 99,
        "planner silent": 0,
        "turn": "none",
        "memory": "none",
    },
    "planner": {"cycles": {"took": TIMES}},
    "sim": {
        "gaps": TIMES,
        "late": TIMES,
        "at fault": 0,
        "contacts": 1,
        "metres": 3.0,
        "arrivals": 0,
    },
    "memory": {"gate": [100.0] * 6 + [300.0] * 18, "planner": [5.0, 500.0]},
    "killed": {"ticks to the stop": 3},
    "ended": {"code": 0, "seconds": 0.5},
    "load": 1.0,
    "cores": 2,
    "stolen": 0.0,
}


def test_a_good_one_keeps_all():
    assert all(line.kept for line in verdict(GOOD, {"gate/box": ""}))


@pytest.mark.parametrize(
    ("where", "value", "what"),
    [
        (("gate", "ticks", "until sent", "worst"), 20.1, "gate tick, due to sent"),
        (("gate", "skipped"), 1, "ticks skipped"),
        (("planner", "cycles", "took", "p999"), 50.1, "planner cycle"),
        (("killed", "ticks to the stop"), 4, "planner killed: ticks to the stop"),
        (("ended", "code"), 1, "SIGTERM: exit code"),
        (("sim", "at fault"), 1, "contacts at fault"),
        (("sim", "metres"), 0.5, "driven"),
        (("memory", "gate"), [100.0 + k for k in range(24)], "memory of gate"),
    ],
)
def test_what_is_not_kept_is_named(where, value, what):
    report = copy.deepcopy(GOOD)
    *path, last = where
    section = report
    for name in path:
        section = section[name]
    section[last] = value
    assert [line.what for line in verdict(report) if not line.kept] == [what]


def test_a_replay_that_differs_is_not_kept():
    (line,) = [one for one in verdict(GOOD, {"gate/box": "record 3: …"}) if not one.kept]
    assert line.found == "record 3: …"
