"""Who may come in: hosts, origins, tokens, rates.                                      [host]

A page that the user visits elsewhere must not reach the robot through the user's browser: its
requests carry its own ``Origin``, and a name that was pointed at this machine (DNS rebinding)
shows in ``Host``.  Other machines need the token besides.
"""

import dataclasses
import hmac
import ipaddress
import secrets
import socket
from urllib.parse import parse_qs, urlsplit

from astro_jax.errors import InputError

MOST_PAGES = 8
"""Connected at once."""
RATE, BURST = 60.0, 120.0
"""Messages of one page, per second and at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doorkeeper:
    """Decides about requests; knows nothing about what they want."""

    hosts: frozenset[str]
    """Accepted values of ``Host``, with the port."""
    any_address: bool
    """Whether any IP address does as well: a bound wildcard does not know its own."""
    token: str | None

    def refuses(self, host: str | None, origin: str | None, path: str, socket_: bool) -> str:
        """Why a request is refused; empty if it is not.

        ``socket_``: it opens a websocket, which only this server's own page may.
        """
        if host is None or not self._known(host):
            return "this server does not answer to that name"
        if socket_ and (origin is None or origin != f"http://{host}"):
            return "only this server's own page may connect"
        if origin is not None and origin != f"http://{host}":
            return "not for other pages"
        if self.token is not None:
            given = parse_qs(urlsplit(path).query).get("token", [""])[0]
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return "the token is missing or wrong"
        return ""

    def without_token(self) -> "Doorkeeper":
        """The same, for what holds no secret."""
        return dataclasses.replace(self, token=None)

    def _known(self, host: str) -> bool:
        if host.lower() in self.hosts:
            return True
        if not self.any_address:
            return False
        try:
            address = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(address)
        except ValueError:
            return False
        return True


def doorkeeper(host: str, port: int, allow_remote: bool) -> Doorkeeper:
    """For a server that is bound to ``host``.

    Raises:
      InputError: the host is no address of this machine alone and that was not asked for.
    """
    if is_loopback(host):
        names = {host, "127.0.0.1", "localhost", "::1"}
        return Doorkeeper(hosts=_with_port(names, port), any_address=False, token=None)
    if not allow_remote:
        expected = "127.0.0.1, or --allow-remote: others could then steer the robot"
        raise InputError("host", host, expected)
    names = {host, "127.0.0.1", "localhost", "::1", socket.gethostname()}
    wildcard = host in ("", "0.0.0.0", "::")
    return Doorkeeper(
        hosts=_with_port(names, port), any_address=wildcard, token=secrets.token_urlsafe(24)
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _with_port(names: set[str], port: int) -> frozenset[str]:
    bracketed = {f"[{name}]" if ":" in name else name.lower() for name in names}
    return frozenset(f"{name}:{port}" for name in bracketed)


class Allowance:
    """How many messages a page may still send: ``RATE`` more every second, ``BURST`` at most."""

    def __init__(self, now: float) -> None:
        """The whole burst."""
        self._left, self._then = BURST, now

    def spend(self, now: float) -> bool:
        """Whether one more may be sent at ``now`` (monotonic, s)."""
        self._left = min(BURST, self._left + RATE * (now - self._then))
        self._then = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
