"""The web server of the live page: a fixed table of files and one websocket.           [host]

Everything that a page gets is the newest there is: a page that reads slowly, or not at all, is
sent less, and nobody else notices.
"""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from astro_jax.errors import InputError
from astro_jax.play.commands import MOST_BYTES, Command, parse
from astro_jax.play.doorkeeper import MOST_PAGES, Allowance, Doorkeeper
from astro_jax.play.layout import Kind, unpack
from astro_jax.play.slots import Slots

SOCKET = "/socket"
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
SILENCE = 20.0
"""A page that does not answer a ping for so long has gone, s."""
MOST_ANSWERS = 16
"""That wait for one page; more are not kept."""

Tell = Callable[[int, Command | None], None]


def page_files() -> dict[str, tuple[bytes, str]]:
    """{path: (content, type)}: all that is ever served, read once."""
    found = {}
    for file in files("astro_jax.play").joinpath("page").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind:
            found[f"/{file.name}"] = (file.read_bytes(), kind)
    found["/"] = found["/index.html"]
    return found


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address; port 0 is any that is free.

    Raises:
      InputError: it cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        expected = f"an address and a port that are free ({error})"
        raise InputError("port", f"{host}:{port}", expected) from error


class Site:
    """Pages on one side, the control loop on the other."""

    def __init__(self, doorkeeper: Doorkeeper, tell: Tell) -> None:
        """``tell`` passes a command of a page on; ``None`` says that the page has gone."""
        self._doorkeeper, self._tell = doorkeeper, tell
        self._files = page_files()
        self._pages: dict[int, _Page] = {}
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots = Slots(self._stir)

    async def start(self, listening: socket.socket) -> Server:
        """Answer from now on."""
        self._loop = asyncio.get_running_loop()
        return await serve(
            self._meet,
            sock=listening,
            process_request=self._answer,
            compression=None,
            max_size=MOST_BYTES,
            max_queue=4,
            open_timeout=5.0,
            ping_interval=SILENCE / 2,
            ping_timeout=SILENCE,
            close_timeout=1.0,
            server_header=None,
        )

    def hear(self, message: bytes) -> None:
        """A message of the control loop; from any thread."""
        if message[1] != Kind.ANSWER:
            self._slots.put(message[1], message)
        elif self._loop:
            self._loop.call_soon_threadsafe(self._deliver, message)

    def _stir(self) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for page in self._pages.values():
            page.stirred.set()

    def _deliver(self, message: bytes) -> None:
        _, head, _ = unpack(message)
        page = self._pages.get(head.pop("page"))
        if page and page.answers.qsize() < MOST_ANSWERS:
            page.answers.put_nowait(json.dumps(head))
            page.stirred.set()

    # ---- plain requests ------------------------------------------------------------------

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        wants_socket = path == SOCKET
        try:
            host, origin = request.headers.get("Host"), request.headers.get("Origin")
        except LookupError:  # a header that comes twice
            return self._refused(HTTPStatus.BAD_REQUEST, "a header comes twice")
        file = self._files.get(path)
        # the token is in the page's own address; what it loads from here holds no secret
        open_to_all = file is not None and path not in ("/", "/index.html")
        checked = self._doorkeeper.without_token() if open_to_all else self._doorkeeper
        reason = checked.refuses(host, origin, request.path, wants_socket)
        if reason:
            return self._refused(HTTPStatus.FORBIDDEN, reason)
        if wants_socket:
            if len(self._pages) >= MOST_PAGES:
                return self._refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages")
            return None
        if file is None:
            return self._refused(HTTPStatus.NOT_FOUND, "nothing here")
        return _response(HTTPStatus.OK, *file, host or "")

    def _refused(self, status: HTTPStatus, reason: str) -> Response:
        return _response(status, f"{reason}\n".encode(), "text/plain; charset=utf-8", "")

    # ---- pages ---------------------------------------------------------------------------

    async def _meet(self, connection: ServerConnection) -> None:
        if len(self._pages) >= MOST_PAGES:  # several came at once
            await connection.close(1013, "too many pages")
            return
        self._count += 1
        number, page = self._count, _Page(connection)
        self._pages[number] = page
        feeding = asyncio.create_task(self._feed(page))
        try:
            await self._listen(number, page)
        except ConnectionClosed:
            pass
        finally:
            del self._pages[number]
            feeding.cancel()
            # whatever it held is let go
            self._tell(number, None)

    async def _listen(self, number: int, page: "_Page") -> None:
        allowance = Allowance(time.monotonic())
        async for text in page.connection:
            if not allowance.spend(time.monotonic()):
                await page.connection.close(1008, "too many messages")
                return
            try:
                command = parse(text)
            except InputError as error:
                if page.answers.qsize() < MOST_ANSWERS:
                    page.answers.put_nowait(json.dumps({"error": str(error)}))
                    page.stirred.set()
                continue
            self._tell(number, command)

    async def _feed(self, page: "_Page") -> None:
        seen = 0
        page.stirred.set()
        try:
            while True:
                await page.stirred.wait()
                page.stirred.clear()
                while not page.answers.empty():
                    await page.connection.send(page.answers.get_nowait())
                seen, messages = self._slots.newer(seen)
                for message in messages:
                    await page.connection.send(message)
        except ConnectionClosed:
            pass


class _Page:
    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.stirred = asyncio.Event()
        self.answers: asyncio.Queue[str] = asyncio.Queue()


def _response(status: HTTPStatus, body: bytes, kind: str, host: str) -> Response:
    policy = "; ".join(
        (
            *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
            f"connect-src 'self' ws://{host}",
            *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
        )
    )
    headers = Headers(
        {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, body)
