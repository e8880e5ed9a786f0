"""``astro-jax plot``: pictures and films of what has been stored.                    [host]"""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from astro_jax.cli.given import PICTURES, draw
from astro_jax.errors import InputError

if TYPE_CHECKING:
    from astro_jax.viz.record import EpisodeRecord

FILMS = (".mp4", ".gif")
DPI_LOW, DPI_HIGH = 50, 600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """What every picture is asked with."""

    file: tyro.conf.Positional[Path]
    """Where the data are."""
    out: Path
    """Where to draw them (PNG, SVG or PDF)."""
    dpi: int = 200
    """Dots per inch of a PNG."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotEpisode(Picture):
    """A whole drive: ways, speeds, distances and the gate over time; or its film."""

    file: tyro.conf.Positional[Path]
    """The episode.npz of ``astro-jax demo``."""
    out: Path
    """A picture of all of it (PNG, SVG, PDF), or the film (MP4, GIF)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotPlan(Picture):
    """One planning cycle of a drive: what the robot knew, weighed and chose."""

    file: tyro.conf.Positional[Path]
    """The episode.npz of ``astro-jax demo``."""
    at: float | None = None
    """Seconds after the start; without it a moment at which somebody is near."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotRisk(Picture):
    """How true the estimated risk is, against Monte Carlo."""

    file: tyro.conf.Positional[Path]
    """What ``astro-jax bench risk --json`` wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotForecast(Picture):
    """Whether people are where the forecast says, as often as it says."""

    file: tyro.conf.Positional[Path]
    """What ``astro-jax bench forecast --json`` wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotFollow(Picture):
    """How far from somebody the robot walked, and how long it had them in view."""

    file: tyro.conf.Positional[Path]
    """What ``astro-jax bench follow --json`` wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotScreen(Picture):
    """Whether the screen showed the turns of a drive before the base made them."""

    file: tyro.conf.Positional[Path]
    """The episode.npz of ``astro-jax demo``."""


Plot = (
    Annotated[PlotEpisode, tyro.conf.subcommand("episode")]
    | Annotated[PlotPlan, tyro.conf.subcommand("plan")]
    | Annotated[PlotScreen, tyro.conf.subcommand("screen")]
    | Annotated[PlotRisk, tyro.conf.subcommand("risk")]
    | Annotated[PlotForecast, tyro.conf.subcommand("forecast")]
    | Annotated[PlotFollow, tyro.conf.subcommand("follow")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotCommand:
    """Draw what has been stored: an episode, one of its plans, its turns, or a bench's report."""

    plot: tyro.conf.OmitSubcommandPrefixes[Plot]


def plot(command: PlotCommand) -> None:
    """Read, draw, say where it is; an InputError if anything that was given cannot be used."""
    asked = command.plot
    may_be = (*PICTURES, *FILMS) if isinstance(asked, PlotEpisode) else PICTURES
    form = asked.out.suffix.lower()
    # before anything is read: what takes long should not fail at its end
    if form not in may_be:
        raise InputError("out", str(asked.out), f"a file that ends in {', '.join(may_be)}")
    if not DPI_LOW <= asked.dpi <= DPI_HIGH:
        raise InputError("dpi", asked.dpi, f"a number from {DPI_LOW} to {DPI_HIGH}")
    if isinstance(asked, PlotEpisode):
        _plot_episode(asked, form)
    elif isinstance(asked, PlotPlan):
        _plot_plan(asked)
    elif isinstance(asked, PlotScreen):
        _plot_screen(asked)
    elif isinstance(asked, PlotRisk):
        _plot_risk(asked)
    elif isinstance(asked, PlotForecast):
        _plot_forecast(asked)
    else:
        _plot_follow(asked)
    Console().print(f"drawn: {asked.out}", highlight=False, soft_wrap=True)


def _plot_episode(asked: PlotEpisode, form: str) -> None:
    from astro_jax.viz.stored import read_episode

    record = read_episode(asked.file)
    if form in FILMS:
        _film(asked.out, form, record)
        return
    from astro_jax.viz.episode import episode_figure

    draw(episode_figure(record), asked.out, "out", asked.dpi)


def _film(out: Path, form: str, record: "EpisodeRecord") -> None:
    from astro_jax.viz.animation import EncoderError, write_gif, write_mp4

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with Console().status(f"drawing {record.cycles} frames"):
            (write_mp4 if form == ".mp4" else write_gif)(out, record)
    except EncoderError as error:
        raise InputError("out", str(out), f"a .gif, as MP4 needs ffmpeg ({error})") from error
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise InputError("out", str(out), expected) from error


def _plot_plan(asked: PlotPlan) -> None:
    from astro_jax.viz.plots import cycle_figure
    from astro_jax.viz.record import telling_cycle
    from astro_jax.viz.stored import read_episode

    if asked.at is not None and not math.isfinite(asked.at):
        raise InputError("at", asked.at, "a finite number of seconds")
    record = read_episode(asked.file)
    cycle = telling_cycle(record) if asked.at is None else record.cycle_at(asked.at)
    draw(cycle_figure(record, cycle), asked.out, "out", asked.dpi)


def _plot_screen(asked: PlotScreen) -> None:
    from astro_jax.bench.intent import drive_of
    from astro_jax.viz.heading import heading_figure
    from astro_jax.viz.stored import read_episode

    record = read_episode(asked.file)
    drive = drive_of(0, record.ticks, math.inf)
    draw(heading_figure(drive, record.robot.pan_limit), asked.out, "out", asked.dpi)


def _plot_risk(asked: PlotRisk) -> None:
    from astro_jax.bench.report import NUMBER, TEXT, read_report
    from astro_jax.viz.reliability import reliability_figure

    columns = dict.fromkeys(("estimate", "screening", "mc", "mc_error"), NUMBER)
    report = read_report(asked.file, "risk", {"kind": TEXT, **columns})
    draw(reliability_figure(report), asked.out, "out", asked.dpi)


def _plot_forecast(asked: PlotForecast) -> None:
    from astro_jax.bench.report import NUMBER, NUMBERS, TEXT, read_report
    from astro_jax.viz.calibration import calibration_figure

    curves = dict.fromkeys(("covered", "covered_gauss"), NUMBERS)
    levels = dict.fromkeys(("time", "nll", "nll_gauss", "nll_gauss_tracked"), NUMBER)
    report = read_report(asked.file, "forecast", {"scene": TEXT, **curves, **levels})
    nominal = report.config.get("curve")
    nominal = nominal if isinstance(nominal, list) else []
    whole = all(len(case[name]) == len(nominal) for case in report.cases for name in curves)
    if not (nominal and whole and all(type(level) in (int, float) for level in nominal)):
        expected = "a coverage for each of the nominal levels"
        raise InputError("curve", nominal, expected, str(asked.file))
    draw(calibration_figure(report), asked.out, "out", asked.dpi)


def _plot_follow(asked: PlotFollow) -> None:
    from astro_jax.bench.follow import BAND, BINS
    from astro_jax.bench.report import NUMBER, NUMBERS, TEXT, read_report, rows_of
    from astro_jax.viz.following import follow_figure

    report = read_report(asked.file, "follow", {"stratum": TEXT, "in_view": NUMBER})
    columns = {"stratum": TEXT, "histogram": NUMBERS}
    episodes = rows_of(report.config.get("episodes"), "episode", columns, str(asked.file))
    strata = {case["stratum"] for case in report.cases}
    for episode in episodes:
        if len(episode["histogram"]) != len(BINS) - 1:
            expected = f"{len(BINS) - 1} counts"
            raise InputError("histogram", episode["histogram"], expected, str(asked.file))
        if episode["stratum"] not in strata:
            expected = f"one of {', '.join(sorted(strata))}"
            raise InputError("stratum", episode["stratum"], expected, str(asked.file))
    draw(follow_figure(episodes, report.cases, BINS, BAND), asked.out, "out", asked.dpi)
