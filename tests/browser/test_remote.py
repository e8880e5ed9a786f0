"""A page that other machines may open: the token, hosts and origins, as a real browser has them."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from astro_jax.play.commands import Command, Goal
from astro_jax.play.doorkeeper import Doorkeeper, doorkeeper
from astro_jax.play.layout import Kind, pack
from astro_jax.play.server import Site, listen

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
ASK = """async (address) => {
  const socket = new WebSocket(address);
  return await new Promise((say) => {
    socket.onopen = () => say("open");
    socket.onerror = () => say("refused");
  });
}"""


class Remote:
    """A server on all interfaces, without a robot behind it, in a thread."""

    def __init__(self) -> None:
        self.told: list[Command] = []
        self.heard = threading.Event()
        self.port, self.keeper = 0, Doorkeeper(hosts=frozenset(), any_address=False, token=None)
        self._up, self._loop = threading.Event(), asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._up.wait(10.0)

    async def _run(self) -> None:
        listening = listen("0.0.0.0", 0)
        self.port = listening.getsockname()[1]
        self.keeper = doorkeeper("0.0.0.0", self.port, allow_remote=True)
        site = Site(self.keeper, self._hear)
        server = await site.start(listening)
        site.hear(pack(Kind.NEWS, {"phase": "preparing", "note": "the test"}, {}))
        self._up.set()
        await self._done.wait()
        server.close()
        await server.wait_closed()

    def _hear(self, page: int, command: Command | None) -> None:
        if command:  # it has not just gone
            self.told.append(command)
            self.heard.set()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10.0)
        self._loop.close()

    def address(self, token: str | None, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/" + (f"?token={token}" if token else "")


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    made = Remote()
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        # a name that somebody has pointed at this machine
        rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
        opened = started.chromium.launch(executable_path=CHROMIUM, args=[rules])
        yield opened
        opened.close()


def test_page_with_the_token_connects_and_steers(remote, browser):
    page = browser.new_page()
    assert page.goto(remote.address(remote.keeper.token)).status == 200
    page.get_by_text("Getting ready: the test").wait_for()
    page.evaluate("astro.send('goal', {x: 1, y: 2})")
    assert remote.heard.wait(10.0)
    assert remote.told == [Goal(x=1.0, y=2.0)]
    page.close()


@pytest.mark.parametrize(
    ("token", "host"),
    [(None, "127.0.0.1"), ("guessed", "127.0.0.1"), ("right", "evil.example")],
)
def test_pages_without_the_token_or_under_another_name_are_refused(token, host, remote, browser):
    page, told = browser.new_page(), len(remote.told)
    token = remote.keeper.token if token == "right" else token
    assert page.goto(remote.address(token, host)).status == 403
    page.close()
    assert len(remote.told) == told


def test_other_pages_in_the_same_browser_get_nowhere(remote, browser):
    page, other = browser.new_page(), listen("127.0.0.1", 0)
    good = remote.address(remote.keeper.token).replace("http", "ws").replace("/?", "/socket?")
    with other:
        # a page of somebody else, who knows even the token
        page.route(
            "**/theirs", lambda route: route.fulfill(body="<p>hello", content_type="text/html")
        )
        page.goto(f"http://127.0.0.1:{other.getsockname()[1]}/theirs")
        assert page.evaluate(ASK, good) == "refused"
    page.goto(remote.address(remote.keeper.token))
    assert page.evaluate(ASK, good) == "open"
    assert page.evaluate(ASK, good.split("?")[0]) == "refused"
    page.close()
