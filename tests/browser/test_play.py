"""The page in a real browser, against the real server: what a visitor does, and what comes of it.

One server for all; its time passes as fast as it can.
"""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.play.made_up import DOOR_HIGH, DOOR_LOW, DOOR_X, SMALL, planner_yaml, write_map

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "out" / "play"
PATIENCE = 40.0
ASIDE = (4.6, 2.7)
"""Where somebody is in nobody's way."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "planner.yaml").write_text(planner_yaml(SMALL))
    plan = write_map(folder)
    # routes count on the whole of the speed: nothing changes but the picture
    zone = "{name: rug, kind: slow, box: [4.6, 0.3, 5.6, 0.8], factor: 1.0}"
    plan.with_suffix(".zones.yaml").write_text(f"zones:\n  - {zone}\n")
    command = [sys.executable, "-m", "astro_jax.cli", "play", "--port", "0", "--people", "1"]
    command += ["--map", str(plan), "--planner", str(folder / "planner.yaml")]
    command += ["--candidates", str(SMALL.candidates), "--seed", "3"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1", COLUMNS="200")
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    # what tests/play/test_loop.py compiles, much later, is the same
    cache = ROOT / ".venv" / ".jax_test_cache" if (ROOT / ".venv").is_dir() else folder
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    # whoever runs the tests in the background has SIGINT ignored, and so would have the server
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        signal.signal(signal.SIGINT, before)
        try:
            assert server.stdout
            found = re.search(r"open (http\S+)", server.stdout.readline())
            assert found
            yield found[1]
            server.send_signal(signal.SIGINT)
            assert server.wait(PATIENCE) == 130
        finally:
            server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def alone(browser, address) -> None:
    """Somebody out of the way: in the door they may squeeze past the robot and touch it.

    By another page; this one is to be shown round yet.
    """
    other = browser.new_page()
    other.goto(address)
    # it may have to compile, beside others
    until(lambda: other.evaluate("astro.ring.length > 0"), 3 * PATIENCE)
    other.evaluate("([x, y]) => astro.send('person', { who: 0, x, y })", ASIDE)
    until(lambda: math.dist(newest(other)["people"][:2], ASIDE) < 0.15)
    other.close()


@pytest.fixture(scope="module")
def page(browser, address, alone) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    trouble: list[str] = []
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
    opened.goto(address)
    until(lambda: opened.evaluate("astro.ring.length > 0"))
    move_slider(opened, "pace", 1.0)
    yield opened
    assert trouble == []


def until(holds: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What ``holds`` says as soon as it says anything."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.fixture(autouse=True)
def told_of_trouble(page) -> Iterator[None]:
    """What the page said, for whoever reads about a test that failed."""
    yield
    print(page.evaluate("({...astro.got.news, toast: document.getElementById('toast').innerText})"))
    print(newest(page))


def newest(page) -> dict[str, Any]:
    return page.evaluate(
        "(({pose, cycle, says, speed, scale, contacts, people}) =>"
        " ({pose, cycle, says, speed, scale, contacts, people: [...people]}))(astro.ring.at(-1))"
    )


def pixel(page, x: float, y: float) -> tuple[float, float]:
    left, top = page.evaluate(f"astro.pixels({x}, {y})")
    return left, top


def drag(page, begin: tuple[float, float], end: tuple[float, float], release: bool = True) -> None:
    page.mouse.move(*pixel(page, *begin))
    page.mouse.down()
    page.mouse.move(*pixel(page, *[0.5 * (a + b) for a, b in zip(begin, end, strict=True)]))
    page.mouse.move(*pixel(page, *end))
    if release:
        page.mouse.up()


def move_slider(page, name: str, share: float) -> None:
    """Put a slider to a share of its way."""
    slider = page.locator(f"#slider-{name}")
    slider.evaluate(
        "(input, share) => { input.value = share * input.max;"
        " input.dispatchEvent(new Event('input')); }",
        share,
    )


def click(page, x: float, y: float) -> None:
    page.mouse.click(*pixel(page, x, y))


def arrived(page, x: float, y: float) -> bool:
    at = newest(page)["pose"]
    return math.hypot(at[0] - x, at[1] - y) < 0.25


def hint(page) -> str:
    """What is proposed to be tried next; nothing once all has been."""
    return page.locator("#hint").inner_text() if page.locator("#hint").is_visible() else ""


def ground(page, x: float, y: float, size: int) -> list[float]:
    """Mean red, green and blue of a square of so many pixels on the lowest canvas."""
    return page.evaluate(
        """([x, y, size]) => {
          const [left, top] = astro.pixels(x, y), canvas = document.getElementById("ground");
          const share = canvas.width / canvas.clientWidth;
          const corner = [left, top].map((v) => v * share - size / 2);
          const { data } = canvas.getContext("2d").getImageData(...corner, size, size);
          return [0, 1, 2].map((j) =>
            data.filter((_, k) => k % 4 === j).reduce((a, b) => a + b) / size ** 2);
        }""",
        [x, y, size],
    )


def touch(session, *points: tuple[float, float], what: str) -> None:
    fingers = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": what, "touchPoints": fingers})


def test_goal_is_reached(page):
    assert "1 of 3" in hint(page)
    click(page, 1.0, 1.6)
    assert "2 of 3" in hint(page)
    until(lambda: arrived(page, 1.0, 1.6))
    drag(page, (1.0, 1.6), (5.0, 1.0))  # the goal's own marker
    until(lambda: arrived(page, 5.0, 1.0))
    page.screenshot(path=SHOTS / "arrived.png")
    assert newest(page)["contacts"][0] == 0


def test_robot_yields_to_a_person_dragged_into_the_door(page):
    middle = (DOOR_X, 0.5 * (DOOR_LOW + DOOR_HIGH))
    click(page, 5.3, 1.6)
    until(lambda: arrived(page, 5.3, 1.6))
    person = newest(page)["people"][:2]
    drag(page, (person[0], person[1]), middle)
    until(lambda: hint(page) == "")  # a slider has been moved already
    until(lambda: math.dist(newest(page)["people"][:2], middle) < 0.15)
    click(page, 0.8, 1.6)
    begin = newest(page)["cycle"]
    until(lambda: newest(page)["cycle"] > begin + 80)
    page.screenshot(path=SHOTS / "yields.png")
    seen = page.evaluate(
        "astro.ring.map((f) => [f.pose[0], f.pose[1], f.people[0], f.people[1], f.cycle])"
    )
    gaps = [math.hypot(x - a, y - b) for x, y, a, b, cycle in seen if cycle > begin]
    # it waits on its side, its edge (.25 m at most from its middle) clear of the person (.22 m)
    assert newest(page)["pose"][0] > DOOR_X
    assert min(gaps) > 0.22 + 0.25
    assert newest(page)["contacts"][0] == 0
    drag(page, middle, ASIDE)
    until(lambda: arrived(page, 0.8, 1.6))


def test_goal_in_a_wall_stops_the_robot(page):
    click(page, DOOR_X, 0.6)
    until(lambda: "wall" in page.locator("#note").inner_text())
    until(lambda: abs(newest(page)["speed"]) < 0.02)
    page.screenshot(path=SHOTS / "refused.png")
    assert page.evaluate("astro.got.news.goal") is None


def test_shut_door_is_discovered_and_named(page):
    drag(page, (1.0, 1.6), (1.5, 1.6))  # to face the door
    until(lambda: newest(page)["says"] == "There.")
    click(page, DOOR_X, 0.5 * (DOOR_LOW + DOOR_HIGH))
    until(lambda: page.evaluate("astro.got.house.doors[0].closed"))
    click(page, 5.0, 1.6)
    until(lambda: "in the way" in page.locator("#note").inner_text())
    page.screenshot(path=SHOTS / "shut.png")
    assert newest(page)["pose"][0] < DOOR_X
    click(page, DOOR_X, 0.5 * (DOOR_LOW + DOOR_HIGH))
    until(lambda: not page.evaluate("astro.got.house.doors[0].closed"))


def test_looking_back_shows_the_house_of_then(page):
    page.keyboard.press("Space")
    until(lambda: page.evaluate("astro.got.news.paused"))
    (ax, ay), (bx, by) = page.evaluate("astro.got.house.doors[0].jambs")
    leaf = (0.5 * (ax + bx), 0.5 * (ay + by), 4)
    until(lambda: ground(page, *leaf)[0] > 150.0)
    shut = page.evaluate("astro.ring.findLastIndex((frame) => frame.house.doors[0].closed)")
    page.locator("#scrub").evaluate("(input, at) => { input.value = at; input.oninput(); }", shut)
    until(lambda: ground(page, *leaf)[0] < 50.0)  # blue
    page.keyboard.press("End")
    until(lambda: ground(page, *leaf)[0] > 150.0)
    page.keyboard.press("Space")
    until(lambda: not page.evaluate("astro.got.news.paused"))


def test_reset_takes_everything_back(page):
    move_slider(page, "space", 1.0)
    until(lambda: page.evaluate("astro.got.news.values.space") == pytest.approx(1.5))
    page.locator("#reset").click()
    until(lambda: page.evaluate("astro.got.news.values.space") == pytest.approx(0.55))
    move_slider(page, "pace", 1.0)


def test_slider_reaches_the_robot_and_outlives_a_reload(page):
    move_slider(page, "latency", 0.2)
    until(lambda: page.evaluate("astro.got.news.values.latency") == pytest.approx(0.1))
    page.reload()
    until(lambda: page.evaluate("astro.ring.length > 0"))
    until(lambda: page.locator("#value-latency").inner_text() == "0.10 s")


def test_time_stands_still_steps_and_goes_back(page):
    page.keyboard.press("Space")
    until(lambda: page.evaluate("astro.got.news.paused"))
    time.sleep(0.3)
    begin = newest(page)["cycle"]
    page.keyboard.press("ArrowRight")
    until(lambda: newest(page)["cycle"] == begin + 1)
    page.keyboard.press("ArrowLeft")
    assert page.locator("#when").inner_text() == "−0.1 s"
    with page.expect_download() as saved:
        page.keyboard.press("e")
    assert saved.value.suggested_filename == f"moment-{begin}.json"
    outcome = json.loads(Path(saved.value.path()).read_text())["outcome"]
    ends = page.evaluate("[...astro.ring.at(-2).motion].slice(-4)")
    assert outcome["pose"] == pytest.approx(ends[:3], abs=1e-6)
    page.keyboard.press("End")
    page.keyboard.press("Space")
    until(lambda: newest(page)["cycle"] > begin + 1)


def test_keys_move_goals_and_people_and_shut_doors(page):
    click(page, 1.0, 1.6)
    until(lambda: page.evaluate("astro.got.news.goal?.[0]") == pytest.approx(1.0, abs=0.02))
    page.keyboard.press("Shift+ArrowDown")
    until(lambda: page.evaluate("astro.got.news.goal?.[1]") == pytest.approx(1.35, abs=0.02))
    before = newest(page)["people"][:2]
    page.keyboard.press("p")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    sent = (before[0], before[1] - 0.5)
    until(lambda: math.dist(newest(page)["people"][:2], sent) < 0.15)
    page.keyboard.press("p")  # the goal again
    for closed in (True, False):
        page.keyboard.press("d")
        until(lambda: page.evaluate("astro.got.house.doors[0].closed") == closed)  # noqa: B023


def test_zone_is_drawn(page):
    # yellow: less blue than the floor beside it
    assert ground(page, 4.75, 0.65, 16)[2] < 0.95 * ground(page, 4.75, 1.0, 16)[2]


def test_fingers_tap_drag_and_pinch(page, browser, address):
    phone = browser.new_page(viewport={"width": 375, "height": 812}, has_touch=True)
    phone.goto(address)
    until(lambda: phone.evaluate("astro.ring.length > 0"))
    phone.touchscreen.tap(*pixel(phone, 5.0, 2.4))
    until(lambda: page.evaluate("astro.got.news.goal?.[1]") == pytest.approx(2.4, abs=0.05))
    session = phone.context.new_cdp_session(phone)
    touch(session, pixel(phone, 5.0, 2.4), what="touchStart")
    touch(session, pixel(phone, 5.0, 2.0), what="touchMove")
    touch(session, pixel(phone, 5.2, 1.2), what="touchMove")
    touch(session, what="touchEnd")
    until(lambda: page.evaluate("astro.got.news.goal?.[1]") == pytest.approx(1.2, abs=0.05))
    metre = pixel(phone, 4.0, 1.6)[0] - pixel(phone, 3.0, 1.6)[0]
    middle = pixel(phone, 3.0, 1.6)
    two = lambda half: ((middle[0] - half, middle[1]), (middle[0] + half, middle[1]))
    touch(session, *two(30), what="touchStart")
    touch(session, *two(45), what="touchMove")
    touch(session, *two(60), what="touchMove")
    touch(session, what="touchEnd")
    assert pixel(phone, 4.0, 1.6)[0] - pixel(phone, 3.0, 1.6)[0] == pytest.approx(
        2 * metre, rel=0.05
    )
    phone.screenshot(path=SHOTS / "pinched.png")
    phone.close()


def test_goal_that_is_let_go_by_a_lost_page_stops_the_robot(page, browser, address):
    click(page, 1.0, 1.6)
    # this one, not that of the test before
    until(lambda: page.evaluate("astro.got.news.goal?.[0] < 1.5"))
    other = browser.new_page(viewport={"width": 375, "height": 812})
    other.goto(address)
    until(lambda: other.evaluate("astro.ring.length > 0"))
    assert abs(newest(other)["cycle"] - newest(page)["cycle"]) < 100
    other.screenshot(path=SHOTS / "phone.png")
    hold = "astro.send('goal', {x: 5, y: 1.6, held: true})"
    other.evaluate(f"setInterval(() => {hold}, 200)")
    until(lambda: page.evaluate("astro.got.news.goal?.[0] > 4"))
    other.close()
    until(lambda: "let go" in page.locator("#note").inner_text())
    until(lambda: abs(newest(page)["speed"]) < 0.02)
