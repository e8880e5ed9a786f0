"""Pictures per second in a headless Chromium while 600 candidates are planned at 10 Hz.

PYTHONPATH=. python experiments/live_page/run.py [--seconds 20] [--shot docs/play.png]
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

# a loop through the packaged flat: kitchen, hall, bedroom, study, living room
TOUR = [(2.2, 5.5), (5.3, 5.0), (8.0, 5.3), (9.3, 3.5), (4.0, 2.2)]
# to the cycle of the last minute whose plan lost the most of its promised progress to doubt
LOOK_BACK = """() => {
  const doubts = astro.ring.map((frame) => frame.promised.at(-1) - frame.counted.at(-1));
  const scrub = document.getElementById("scrub");
  scrub.value = doubts.indexOf(Math.max(...doubts));
  scrub.oninput();
}"""


@contextlib.contextmanager
def served(candidates: str) -> Iterator[str]:
    """The address of ``astro-jax play``."""
    command = [sys.executable, "-m", "astro_jax.cli", "play", "--port", "0"]
    command += ["--candidates", *candidates.split()]
    environment = dict(os.environ, PYTHONUNBUFFERED="1", COLUMNS="200")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        found = re.search(r"open (http\S+)", server.stdout.readline())
        assert found
        try:
            yield found[1]
        finally:
            server.terminate()


def until(page: Page, holds: str, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not page.evaluate(holds):
        if time.monotonic() > deadline:
            raise TimeoutError(holds)
        time.sleep(0.1)


def spent_by() -> dict[str, float]:
    """CPU seconds so far of the browser and of the server with its loop, children of this one."""
    spent = {"browser": 0.0, "play": 0.0}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            kind = "browser" if "chrom" in process.name() else "play"
            used = process.cpu_times()
            spent[kind] += used.user + used.system
    return spent


def measure(page: Page, seconds: float) -> dict[str, Any]:
    """Drive on, from one place of the tour to the next, and count."""
    look = "[performance.now(), astro.frames, astro.cycles, astro.ring.at(-1).timing.late]"
    stops = iter(TOUR * 100)
    x, y = next(stops)
    page.evaluate(f"astro.send('goal', {{x: {x}, y: {y}}})")
    begin, parts, deadline = page.evaluate(look), [], time.monotonic() + seconds
    before = spent_by()
    while time.monotonic() < deadline:
        time.sleep(0.5)
        frame = page.evaluate("(({timing, pose}) => ({timing, pose}))(astro.ring.at(-1))")
        parts.append(frame["timing"])
        if np.hypot(frame["pose"][0] - x, frame["pose"][1] - y) < 0.6:
            x, y = next(stops)
            page.evaluate(f"astro.send('goal', {{x: {x}, y: {y}}})")
    end, after = page.evaluate(look), spent_by()
    spent = (end[0] - begin[0]) / 1000.0
    return {
        "pictures_per_s": round((end[1] - begin[1]) / spent, 1),
        "cycles_per_s": round((end[2] - begin[2]) / spent, 2),
        "late_cycles": end[3] - begin[3],
        "seconds": round(spent, 1),
        "cores": {name: round((after[name] - before[name]) / spent, 2) for name in after},
        "median_ms": {
            name: round(float(np.median([part[name] for part in parts])), 1)
            for name in ("see", "plan", "gate", "world", "frame", "lead")
        },
        "load": [round(v, 1) for v in os.getloadavg()],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--candidates", default="600")
    parser.add_argument("--shot", type=Path, help="where to draw its most doubtful cycle")
    chosen = parser.parse_args()
    with served(chosen.candidates) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        until(page, "astro.ring.length > 30")
        page.locator("#hint-close").click()
        print(json.dumps(measure(page, chosen.seconds), indent=1))
        if chosen.shot:
            page.evaluate(LOOK_BACK)
            time.sleep(0.5)
            page.screenshot(path=chosen.shot)
        browser.close()


if __name__ == "__main__":
    main()
