"""Whether somebody asked this process to end.                                        [host]"""

import signal


class Asked:
    """From its making on SIGTERM and SIGINT are a question, not an end."""

    def __init__(self) -> None:
        """Nobody has, so far."""
        self.to_end = False
        for which in (signal.SIGTERM, signal.SIGINT):
            signal.signal(which, self._end)

    def _end(self, *_: object) -> None:
        self.to_end = True
