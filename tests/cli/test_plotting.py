"""``astro-jax plot``: pictures of what was stored; one line for what cannot be drawn."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra viz")

from PIL import Image

from astro_jax import cli
from astro_jax.bench.follow import BINS
from astro_jax.bench.forecast import CURVE
from astro_jax.bench.report import Report, write_json
from astro_jax.sim.turns import turns_of
from astro_jax.viz import animation, calibration, following, heading, plots, reliability
from astro_jax.viz.stored import write_episode
from tests.viz.made_up import CYCLES, PLANNER, made_up

RISK = {"kind": "crossing", "estimate": 0.2, "screening": None, "mc": 0.1, "mc_error": 0.01}
CURVES = {"covered": list(CURVE), "covered_gauss": list(CURVE)}
LEVELS = {"nll": -1.0, "nll_gauss": 0.0, "nll_gauss_tracked": -0.5}
FOLLOW = {"stratum": "straight", "histogram": [0] * 12 + [5, 3] + [0] * (len(BINS) - 15)}
VIEW = {"stratum": "straight", "in_view": 0.9}
FORECAST = {"scene": "eth", "time": 0.4, **CURVES, **LEVELS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An episode and two reports."""
    folder = tmp_path_factory.mktemp("stored")
    write_episode(folder / "episode.npz", made_up())
    cases = [{**RISK, "mc": 0.01 * k} for k in range(1, 9)]
    metrics = {"slope": 0.98, "worst_optimistic_abs": np.nan, "samples": 1000}
    for report in (
        Report(name="risk", metrics=metrics, cases=cases),
        Report(name="forecast", metrics={}, config={"curve": CURVE}, cases=[FORECAST] * 2),
        Report(name="follow", metrics={}, config={"episodes": [FOLLOW] * 2}, cases=[VIEW]),
    ):
        write_json(folder / f"{report.name}.json", report.as_dict())
    return folder


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_an_episode_becomes_a_picture(ending, folder, tmp_path, capsys):
    out = tmp_path / "new" / f"drive.{ending}"
    made = []
    for _ in range(2):
        assert cli.main(["plot", "episode", str(folder / "episode.npz"), "--out", str(out)]) == 0
        made.append(out.read_bytes())
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert made[0].startswith(begins) and made[0] == made[1]
    assert b"/Type3" not in made[0]
    assert [*out.parent.iterdir()] == [out] and str(out) in capsys.readouterr().out


def test_dots_per_inch_are_those_of_the_picture(folder, tmp_path):
    sizes = []
    for dpi in ("50", "100"):
        out = tmp_path / f"{dpi}.png"
        assert (
            cli.main(["plot", "risk", str(folder / "risk.json"), "--out", str(out), "--dpi", dpi])
            == 0
        )
        with Image.open(out) as picture:
            sizes.append(np.array(picture.size))
    np.testing.assert_array_equal(2 * sizes[0], sizes[1])


def test_an_episode_becomes_a_film(folder, tmp_path):
    out = tmp_path / "film.gif"
    assert cli.main(["plot", "episode", str(folder / "episode.npz"), "--out", str(out)]) == 0
    with Image.open(out) as film:
        assert getattr(film, "n_frames", 0) == (CYCLES + 1) // 2
    assert [*tmp_path.iterdir()] == [out]


def test_mp4_without_ffmpeg_is_told(folder, tmp_path, monkeypatch, capsys):
    def missing():
        raise animation.EncoderError("no ffmpeg")

    monkeypatch.setattr(animation, "ffmpeg", missing)
    out = tmp_path / "film.mp4"
    assert cli.main(["plot", "episode", str(folder / "episode.npz"), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "ffmpeg" in line and ".gif" in line and not [*tmp_path.iterdir()]


def test_a_plan_is_that_of_its_time(folder, tmp_path, monkeypatch):
    asked = []
    drawn = plots.cycle_figure
    monkeypatch.setattr(plots, "cycle_figure", lambda r, c: asked.append(c) or drawn(r, c))
    out = ["--out", str(tmp_path / "plan.png"), "--dpi", "50"]
    file = str(folder / "episode.npz")
    assert cli.main(["plot", "plan", file, *out, "--at", str(3.5 * PLANNER.period)]) == 0
    assert cli.main(["plot", "plan", file, *out]) == 0
    assert asked[0] == 3 and len(asked) == 2


def test_reports_are_drawn_as_their_bench_draws_them(folder, tmp_path, monkeypatch):
    shown = {}
    for name, module, figure in (
        ("risk", reliability, "reliability_figure"),
        ("forecast", calibration, "calibration_figure"),
        ("follow", following, "follow_figure"),
    ):
        draw = getattr(module, figure)
        keep = lambda *given, name=name, draw=draw: shown.setdefault(name, draw(*given))
        monkeypatch.setattr(module, figure, keep)
        out = str(tmp_path / f"{name}.svg")
        assert cli.main(["plot", name, str(folder / f"{name}.json"), "--out", out]) == 0
    heights = np.concatenate([line.get_ydata() for line in shown["risk"].axes[0].lines[1:]])
    truth = np.array([0.01 * k for k in range(1, 9)])
    np.testing.assert_allclose(heights, np.log(truth / (1.0 - truth)))
    curve = next(line for line in shown["forecast"].axes[0].lines if line.get_label() == "eth")
    np.testing.assert_allclose(curve.get_xdata(), curve.get_ydata())
    ((left, right),) = [shown["follow"].axes]
    assert [text.get_text() for text in right.texts] == ["90.0"]
    (_, heights) = left.collections[-1].get_paths()[0].vertices.T
    assert heights.max() == pytest.approx(0.85)


def test_screen_is_drawn_with_the_turns_of_the_drive(tmp_path, monkeypatch):
    record = made_up()
    time = np.asarray(record.ticks.time)
    yaw = np.pi * np.clip((time - time[0]) / np.ptp(time), 0.0, 1.0)
    pose = np.column_stack([np.zeros((len(time), 2)), yaw])
    ticks = dataclasses.replace(record.ticks, pose_map=pose, pan=np.full(len(time), 0.5))
    write_episode(tmp_path / "turns.npz", dataclasses.replace(record, ticks=ticks))
    drives, draw = [], heading.heading_figure
    monkeypatch.setattr(
        heading, "heading_figure", lambda drive, limit: drives.append(drive) or draw(drive, limit)
    )
    out = tmp_path / "screen.svg"
    assert cli.main(["plot", "screen", str(tmp_path / "turns.npz"), "--out", str(out)]) == 0
    ((turn,),) = [drive.turns for drive in drives]
    assert turn.angle == pytest.approx(np.pi, abs=0.01)
    assert [turn] == turns_of(time, yaw, np.full(len(time), 0.5), np.full(len(time), 0.5))


def changed(folder, name, **parts) -> str:
    held = json.loads((folder / f"{name}.json").read_text())
    return json.dumps({**held, **parts})


BAD = {
    "nothing there": ("risk", lambda f: None, ["file"]),
    "no JSON": ("risk", lambda f: "{", ["syntax"]),
    "NaN": ("risk", lambda f: '{"name": NaN}', ["number", "NaN"]),
    "cut off": ("forecast", lambda f: changed(f, "forecast")[:-9], ["syntax"]),
    "other bench": ("risk", lambda f: changed(f, "forecast"), ["name", "forecast"]),
    "a list": ("risk", lambda f: "[]", ["name", "list"]),
    "no cases": ("risk", lambda f: changed(f, "risk", cases=[]), ["cases"]),
    "no metrics": ("risk", lambda f: changed(f, "risk", metrics=3), ["metrics"]),
    "words": ("risk", lambda f: changed(f, "risk", cases=[{**RISK, "mc": "a"}]), ["mc", "case 0"]),
    "infinite": ("risk", lambda f: changed(f, "risk").replace("0.2", "1e999"), ["estimate"]),
    "no column": ("risk", lambda f: changed(f, "risk", cases=[{"kind": "a"}]), ["missing"]),
    "short curve": (
        "forecast",
        lambda f: changed(f, "forecast", cases=[{**FORECAST, "covered": [0.5]}]),
        ["curve"],
    ),
    "no levels": ("forecast", lambda f: changed(f, "forecast", config={}), ["curve"]),
    "no episodes": ("follow", lambda f: changed(f, "follow", config={}), ["episodes"]),
    "few bins": (
        "follow",
        lambda f: changed(f, "follow", config={"episodes": [{**FOLLOW, "histogram": [1]}]}),
        ["histogram"],
    ),
    "unknown stratum": (
        "follow",
        lambda f: changed(f, "follow", config={"episodes": [{**FOLLOW, "stratum": "x"}]}),
        ["stratum"],
    ),
    "no drive": ("screen", lambda f: "PK", ["archive"]),
    "no archive": ("episode", lambda f: "PK", ["archive"]),
    "a report": ("plan", lambda f: changed(f, "risk"), ["archive"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_gets_one_line_and_leaves_nothing(case, folder, tmp_path, capsys):
    what, content, needles = BAD[case]
    file, text = tmp_path / "given", content(folder)
    if text is not None:
        file.write_text(text)
    assert cli.main(["plot", what, str(file), "--out", str(tmp_path / "o" / "a.png")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert all(needle in line for needle in [*needles, "expected", str(file)]), line
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("what", "options", "needle"),
    [
        ("risk", ["--out", "a.jpeg2000"], "out"),
        ("risk", ["--out", "a.mp4"], ".png"),
        ("plan", ["--out", "a.gif"], ".png"),
        ("episode", ["--out", "film"], ".mp4"),
        ("risk", ["--out", "a.png", "--dpi", "9"], "dpi"),
        ("plan", ["--out", "a.png", "--at", "nan"], "at"),
        ("plan", ["--out", "a.png", "--at", "77"], "at"),
        ("risk", ["--out", "given/a.png"], "out"),
        ("episode", ["--out", "given/a.gif"], "out"),
    ],
)
def test_what_is_asked_wrongly_gets_one_line(
    what, options, needle, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").write_text("a file, no folder")
    name = f"{what}.json" if what in ("risk", "forecast") else "episode.npz"
    assert cli.main(["plot", what, str(folder / name), *options]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("astro-jax: ") and needle in line, line
    assert [*tmp_path.iterdir()] == [tmp_path / "given"]
