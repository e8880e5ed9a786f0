"""The control loop in a process of its own, and the pipe between it and the web server. [host]

Whatever the server is busy with, the loop has its own interpreter.  In each process one thread
writes to the pipe and one reads from it; the loop itself touches neither.  Down the pipe go
commands, as JSON that is parsed again; up come messages of ``play/layout.py``.  Neither side makes
objects of what it reads.  When one end closes, the other stops: the loop, and with it the robot,
does not outlive its server.
"""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from astro_jax.deploy.cache import use_cache
from astro_jax.errors import InputError
from astro_jax.play.commands import Command, parse, text_of
from astro_jax.play.layout import Kind, pack
from astro_jax.play.loop import Loop
from astro_jax.play.setup import Ready, Wish, fill_cache, prepare
from astro_jax.play.slots import Box, Slots

READY, END = 0, -1
"""No pages: the planner of a size lies in the cache; the process is to end."""

Hear = Callable[[bytes], None]


class Control:
    """The server's end."""

    def __init__(
        self, wish: Wish, cache: Path | None, hear: Hear, gone: Callable[[], None]
    ) -> None:
        """Start the process; ``hear`` gets each message, ``gone`` is called when it has ended.

        Both are called by a thread of this object.  ``cache``: where compiled functions are kept.
        """
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._lock = threading.Lock()
        self._hear, self._gone = hear, gone
        self._wish, self._cache = wish, cache
        self._drives, self._closing = False, False
        self._process = context.Process(target=work, args=(theirs, wish, cache), daemon=True)
        self._process.start()
        theirs.close()
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def tell(self, page: int, command: Command | None) -> None:
        """Pass a command of a page on; ``None``: that page has gone.

        Before there is a loop nobody hears it, and nothing has to be let go.
        """
        if not self._drives:
            return
        self._send([page, None if command is None else text_of(command)])

    def _send(self, said: list[Any]) -> None:
        with self._lock, contextlib.suppress(OSError):  # it has ended: ``gone`` says so
            self._pipe.send_bytes(json.dumps(said).encode())

    def close(self) -> None:
        """End the process; nothing is heard of it any more."""
        self._closing = True
        self._send([END, None])
        if self._drives:  # else it listens to nobody yet
            self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _listen(self) -> None:
        try:
            while True:
                message = self._pipe.recv_bytes()
                if self._closing:
                    continue
                self._hear(message)
                if not self._drives and message[1] == Kind.FRAME:
                    self._drives = True
                    threading.Thread(target=self._compile_others, daemon=True).start()
        except (EOFError, OSError):
            if not self._closing:
                self._gone()

    def _compile_others(self) -> None:
        """Planners of other sizes, in processes that step back behind the loop.

        The compiler's own threads would not step back, and in the loop's process they held it up:
        half of its cycles were late for as long as that took.
        """
        for size in self._wish.sizes:
            if size != self._wish.planner.candidates:
                arguments = (self._wish, size, self._cache)
                filler = get_context("spawn").Process(
                    target=fill_cache, args=arguments, daemon=True
                )
                filler.start()
                filler.join()
                self._send([READY, size])


def work(pipe: Connection, wish: Wish, cache: Path | None) -> None:
    """What the process does, from its start until the pipe closes."""
    # Ctrl-C reaches the whole group: the server decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outbox = Outbox(pipe)
    threading.Thread(target=outbox.run, name="sender", daemon=True).start()
    if cache:
        use_cache(cache)
    try:
        ready = prepare(wish, lambda text: outbox.news("preparing", text))
    except InputError as error:
        outbox.news("failed", str(error))
        outbox.finish()
        return
    box = Box()
    loop = Loop(ready.engine, ready.start, wish.sizes, outbox.slots, box, outbox.answer)
    runner = threading.Thread(target=loop.run, name="loop")
    runner.start()
    try:
        while True:
            page, text = json.loads(pipe.recv_bytes())
            if page == END:
                break
            if page == READY:
                threading.Thread(target=take_in, args=(ready, text, loop), daemon=True).start()
            elif not box.put((page, None if text is None else parse(text))):
                outbox.answer(page, {"error": "too many commands at once"})
    except (EOFError, OSError):
        pass  # the server has died
    loop.close()
    runner.join()
    # should the cache have failed, a compilation would keep the interpreter from ending
    os._exit(0)


def take_in(ready: Ready, size: int, loop: Loop) -> None:
    """Load the planner of a size from the cache, beside the loop."""
    ready.engine.planners[size] = ready.others[size]()
    loop.show_ready()


class Outbox:
    """The process's way up: slots of which the newest count, and answers, of which all do."""

    def __init__(self, pipe: Connection) -> None:
        """Nothing to send yet."""
        self._pipe = pipe
        self._news = threading.Condition()
        self._stirred, self._finished = False, False
        self._answers = Box()
        self.slots = Slots(self._stir)

    def news(self, phase: str, text: str) -> None:
        """What is being done before there is a loop."""
        self.slots.put(Kind.NEWS, pack(Kind.NEWS, {"phase": phase, "note": text}, {}))

    def answer(self, page: int, said: dict[str, Any]) -> None:
        """For one page alone; lost if nobody takes the answers before it."""
        self._answers.put(pack(Kind.ANSWER, {"page": page, **said}, {}))
        self._stir()

    def run(self) -> None:
        """Send, until the other end has closed."""
        seen = 0
        try:
            while not (self._finished and not self._stirred):
                with self._news:
                    self._news.wait_for(lambda: self._stirred or self._finished)
                    self._stirred = False
                seen, messages = self.slots.newer(seen)
                for message in [*messages, *self._answers.take()]:
                    self._pipe.send_bytes(message)
        except OSError:
            pass  # nobody is there any more: the reader ends the process

    def finish(self) -> None:
        """Send what there is and close."""
        with self._news:
            self._finished = True
            self._news.notify()
        for thread in threading.enumerate():
            if thread.name == "sender":
                thread.join(5.0)
        self._pipe.close()

    def _stir(self) -> None:
        with self._news:
            self._stirred = True
            self._news.notify()
