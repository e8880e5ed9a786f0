"""The bench of the route layer on small files made here."""

import json

import numpy as np
import pytest
from PIL import Image

from astro_jax.bench.floor_plan import floor_plan
from astro_jax.bench.report import write_json
from astro_jax.bench.route import bench_route, check_pairs, time_search
from astro_jax.errors import InputError
from astro_jax.route.maps import HouseMap


@pytest.fixture
def data(tmp_path):
    """One grid with a wrong cost among four, and one house of two rooms without a door."""
    folder = tmp_path / "movingai"
    folder.mkdir()
    (folder / "g.map").write_text("type octile\nheight 3\nwidth 3\nmap\n...\n.@.\n...\n")
    lines = ["0 0 2 0 2", "0 0 2 2 4", "0 0 1 0 1", "0 0 2 1 3.5"]
    rows = "".join(f"0 g.map 3 3 {line}\n" for line in lines)
    (folder / "g.map.scen").write_text("version 1\n" + rows.replace("2 0 2\n", "2 0 2.00000\n"))
    homes = tmp_path / "home_maps" / "made"
    homes.mkdir(parents=True)
    pixels = np.full((60, 100), 254, np.uint8)
    pixels[[0, -1]] = pixels[:, [0, 49, -1]] = 0
    Image.fromarray(pixels).save(homes / "house.png")
    (homes / "house.yaml").write_text(
        "image: house.png\nresolution: 0.05\norigin: [0.0, 0.0, 0.0]\nnegate: 0\n"
        "occupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    return tmp_path


def test_the_report_finds_what_is_wrong(data, tmp_path, monkeypatch):
    monkeypatch.setattr("astro_jax.bench.route.SIDES", (180,))
    monkeypatch.setattr("astro_jax.bench.route.CHANGES", 3)
    report = bench_route(data, pairs=60, runs=1, seed=1)
    metrics = report.metrics
    assert metrics["queries"] == 4 and metrics["mismatches"] == 1
    assert metrics["max_abs_error"] == pytest.approx(0.5)
    assert metrics["pairs"] == 60 and 10 < metrics["joined"] < 50
    assert metrics["missing_paths"] == metrics["false_paths"] == metrics["unfinished_paths"] == 0
    assert metrics["ms_180"] > 0.0 and 0.0 < metrics["replan_ratio"] < 10.0
    assert {case["id"] for case in report.cases} == {"g", "house"}
    path = tmp_path / "route.json"
    write_json(path, report.as_dict())
    assert json.loads(path.read_text())["metrics"]["queries"] == 4
    with pytest.raises(InputError, match="home_maps"):
        bench_route(data / "movingai", pairs=1, runs=1)


def test_pairs_behind_a_wall_are_no_missing_paths():
    blocked = floor_plan(120, seed=1).blocked
    blocked[:, 60] = True
    house = HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=0.05,
        origin=np.zeros(2),
        name="cut",
    )
    figures, _ = check_pairs([house], 120, 0)
    assert 0 < figures["joined"] < 120
    assert figures["missing_paths"] == figures["false_paths"] == 0


def test_times_name_their_peers():
    figures = time_search(100, 1, 0)
    assert {"ms_100", "cpu_ms_100", "cpu_ms_100_dijkstra", "replan_ratio_100"} <= set(figures)
    assert all(np.isfinite(list(figures.values())))
