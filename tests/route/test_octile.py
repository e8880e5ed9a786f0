"""Exact costs against a general library's Dijkstra, and against published ones."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import csgraph

from astro_jax.route.octile import octile_cost, octile_costs
from astro_jax.suites.movingai import load_suite


def graph_of(open_cells):
    """Steps of 1 and √2; diagonals only between two open cells."""
    rows, columns = open_cells.shape
    links = {}
    for i, j in np.argwhere(open_cells):
        for di, dj in ((0, 1), (1, 0), (1, 1), (1, -1)):
            k, m = i + di, j + dj
            if not (0 <= k < rows and 0 <= m < columns and open_cells[k, m]):
                continue
            if di and dj and not (open_cells[i, m] and open_cells[k, j]):
                continue
            links[i * columns + j, k * columns + m] = np.hypot(di, dj)
    tail, head = np.array(list(links)).reshape(-1, 2).T
    shape = (rows * columns,) * 2
    return sparse.coo_matrix((list(links.values()), (tail, head)), shape).tocsr()


@pytest.mark.parametrize("seed", range(6))
def test_costs_are_dijkstras(seed):
    random = np.random.default_rng(seed)
    open_cells = random.uniform(size=(31, 44)) > (0.05, 0.25, 0.4)[seed % 3]
    places = np.argwhere(open_cells)
    starts = places[random.integers(len(places), size=60)]
    goals = places[random.integers(len(places), size=60)]
    first = starts[:, 0] * 44 + starts[:, 1]
    distances = csgraph.dijkstra(graph_of(open_cells), directed=False, indices=first)
    expected = distances[np.arange(60), goals[:, 0] * 44 + goals[:, 1]]
    np.testing.assert_allclose(octile_costs(open_cells, starts, goals), expected, rtol=1e-12)


def test_single_queries():
    open_cells = np.ones((5, 7), bool)
    open_cells[:4, 3] = False
    assert octile_cost(open_cells, (0, 0), (0, 0)) == 0.0
    # down to the gap in the last row and up again: no corner is cut
    assert octile_cost(open_cells, (0, 0), (0, 6)) == pytest.approx(4 * np.sqrt(2) + 6)
    open_cells[4, 3] = False
    assert np.isinf(octile_cost(open_cells, (0, 0), (0, 6)))
    for place in ((0, 3), (-1, 0), (0, 7)):
        assert np.isinf(octile_cost(open_cells, (0, 0), place))


@pytest.mark.parametrize(
    "name", ["dao__arena", "dao__den009d", "dao__den312d", "da2__ht_mansion_n"]
)
def test_published_costs_are_met(data_dir, name):
    path = data_dir / "movingai" / f"{name}.map.scen"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    suite = load_suite(path)
    off = np.abs(octile_costs(suite.open_cells, suite.starts, suite.goals) - suite.costs)
    assert len(off) > 100 and off.max() <= 0.001
