"""The server against clients that are wrong, slow, many or gone; no loop, no browser."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from astro_jax.play.commands import Command, Stop
from astro_jax.play.doorkeeper import BURST, MOST_PAGES, doorkeeper
from astro_jax.play.layout import Kind, pack, unpack
from astro_jax.play.server import SOCKET, Site, listen, page_files


class Served:
    """A server with everything that it passed on."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Command | None]] = []
        self.port = 0

    async def open(self, **more: Any) -> ClientConnection:
        uri, origin = f"ws://127.0.0.1:{self.port}{SOCKET}", f"http://127.0.0.1:{self.port}"
        return await connect(uri, **{"origin": origin, "max_size": None, **more})

    async def get(self, target: str, *headers: str) -> tuple[int, str, bytes]:
        """(Status, head, body) of a request, byte by byte as given."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = headers or (f"Host: 127.0.0.1:{self.port}",)
        writer.write("\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode())
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, head.decode(), body

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.told) < count:
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[Served, Site]]:
    served, listening = Served(), listen("127.0.0.1", 0)
    served.port = listening.getsockname()[1]
    keeper = doorkeeper("127.0.0.1", served.port, allow_remote=False)
    site = Site(keeper, lambda page, command: served.told.append((page, command)))
    server = await site.start(listening)
    try:
        yield served, site
    finally:
        server.close()
        await server.wait_closed()


def frame(number: int, size: int = 100) -> bytes:
    return pack(Kind.FRAME, {"cycle": number, "pad": "x" * size}, {})


def test_files_are_served_with_their_fences():
    async def run():
        async with serving() as (served, _):
            for path, (content, kind) in page_files().items():
                status, head, body = await served.get(path)
                assert (status, body) == (200, content)
                assert f"Content-Type: {kind}" in head
                assert "default-src 'none'" in head
                assert "unsafe" not in head
                assert "nosniff" in head

    asyncio.run(run())


@pytest.mark.parametrize(
    "target",
    [
        *("/../pyproject.toml", "/%2e%2e/server.py", "/page/main.js", "/main.js/", "//etc/passwd"),
        *("/main.js%00", "/..\\server.py", "/index.htm", "/<script>alert(1)</script>"),
    ],
)
def test_nothing_else_is_served(target):
    async def run():
        async with serving() as (served, _):
            status, _, body = await served.get(target)
            assert status in (400, 404)
            assert b"script" not in body

    asyncio.run(run())


def test_wrong_hosts_and_origins_stay_outside():
    async def run():
        async with serving() as (served, _):
            assert (await served.get("/", "Host: evil.example"))[0] == 403
            assert (await served.get("/", "X: y"))[0] in (400, 403)
            here = f"Host: 127.0.0.1:{served.port}"
            assert (await served.get("/", here, here))[0] == 400
            assert (await served.get("/", here, "Origin: http://evil.example"))[0] == 403
            for origin in ("http://evil.example", None, "null"):
                with pytest.raises(InvalidStatus) as caught:
                    await served.open(origin=origin)
                assert caught.value.response.status_code == 403
            assert served.told == []

    asyncio.run(run())


def test_commands_pass_and_everything_else_is_answered():
    async def run():
        async with serving() as (served, _):
            page = await served.open()
            for wrong in ("{", '{"do": "goal", "x": NaN, "y": 1}', '{"do": "explode"}', b"\0\1"):
                await page.send(wrong)
                assert "error" in json.loads(await page.recv())
            await page.send('{"do": "stop"}')
            await served.until_told(1)
            await page.close()
            await served.until_told(2)
            assert served.told == [(1, Stop()), (1, None)]

    asyncio.run(run())


def test_too_large_and_too_many_messages_end_the_connection():
    async def run():
        async with serving() as (served, _):
            large = await served.open()
            await large.send("x" * 5000)
            with pytest.raises(ConnectionClosed) as caught:
                await large.recv()
            assert caught.value.rcvd and caught.value.rcvd.code == 1009
            flood = await served.open()
            with pytest.raises(ConnectionClosed):
                for _ in range(100 * int(BURST)):
                    await flood.send('{"do": "stop"}')
                await flood.recv()
            stops = [command for _, command in served.told if command]
            assert BURST <= len(stops) < 3 * BURST

    asyncio.run(run())


def test_so_many_pages_and_no_more():
    async def run():
        async with serving() as (served, _):
            pages = [await served.open() for _ in range(MOST_PAGES)]
            with pytest.raises(InvalidStatus) as caught:
                await served.open()
            assert caught.value.response.status_code == 503
            await pages[0].close()
            await served.until_told(1)
            await served.open()

    asyncio.run(run())


def test_slow_page_holds_nobody_up_and_misses_what_was_overtaken():
    count, size = 400, 100_000  # 40 MB: no buffer on the way takes that

    async def run():
        async with serving() as (served, site):
            slow, quick = await served.open(max_queue=1), await served.open()
            seen, cycles = [], []

            async def read() -> None:
                async for message in quick:
                    assert isinstance(message, bytes)
                    seen.append(unpack(message)[1]["cycle"])

            reading = asyncio.create_task(read())
            for number in range(count):
                await asyncio.to_thread(site.hear, frame(number, size))
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                while not seen or seen[-1] != count - 1:
                    await asyncio.sleep(0.005)
                while not cycles or cycles[-1] != count - 1:
                    message = await slow.recv()
                    assert isinstance(message, bytes)
                    cycles.append(unpack(message)[1]["cycle"])
            reading.cancel()
            # each in order, the slow one with gaps
            assert seen == sorted(seen)
            assert cycles == sorted(cycles)
            assert len(cycles) < count / 4

    asyncio.run(run())


def test_crowd_at_the_door_keeps_nobody_out():
    async def run():
        async with serving() as (served, site):
            crowd = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(200)]
            page = await served.open()
            site.hear(frame(5))
            message = await page.recv()
            assert isinstance(message, bytes)
            assert unpack(message)[1]["cycle"] == 5
            for _, writer in crowd:
                writer.close()

    asyncio.run(run())


def test_answers_are_for_one_page_alone():
    async def run():
        async with serving() as (served, site):
            one, other = await served.open(), await served.open()
            site.hear(pack(Kind.ANSWER, {"page": 2, "error": "no"}, {}))
            site.hear(frame(7))
            assert json.loads(await other.recv())["error"] == "no"
            message = await one.recv()
            assert isinstance(message, bytes)
            assert unpack(message)[1]["cycle"] == 7

    asyncio.run(run())
