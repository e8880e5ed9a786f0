"""Who may come in: this machine's own page, and with the token others."""

import pytest

from astro_jax.errors import InputError
from astro_jax.play.doorkeeper import BURST, RATE, Allowance, doorkeeper

HERE = "127.0.0.1:8765"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "robot.local", "127.0.0.1x"])
def test_other_interfaces_have_to_be_asked_for(host):
    with pytest.raises(InputError, match="host"):
        doorkeeper(host, 8765, allow_remote=False)
    assert doorkeeper(host, 8765, allow_remote=True).token


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_this_machine_needs_no_token(host):
    assert doorkeeper(host, 8765, allow_remote=False).token is None


@pytest.mark.parametrize(
    ("host", "origin", "socket", "fine"),
    [
        (HERE, None, False, True),
        (HERE, f"http://{HERE}", False, True),
        (HERE, f"http://{HERE}", True, True),
        ("localhost:8765", "http://localhost:8765", True, True),
        ("LOCALHOST:8765", "http://LOCALHOST:8765", True, True),
        ("[::1]:8765", "http://[::1]:8765", True, True),
        # a websocket that no page of this server opened
        (HERE, None, True, False),
        (HERE, "null", True, False),
        (HERE, "http://evil.example", True, False),
        (HERE, "https://127.0.0.1:8765", True, False),
        (HERE, "http://127.0.0.1:8766", True, False),
        ("localhost:8765", f"http://{HERE}", True, False),
        # a name that was pointed here
        ("evil.example", "http://evil.example", True, False),
        ("evil.example:8765", None, False, False),
        ("127.0.0.1", None, False, False),
        ("127.0.0.1:8766", None, False, False),
        ("", None, False, False),
        (None, None, False, False),
        (HERE, "http://evil.example", False, False),
    ],
)
def test_hosts_and_origins(host, origin, socket, fine):
    keeper = doorkeeper("127.0.0.1", 8765, allow_remote=False)
    assert (keeper.refuses(host, origin, "/", socket) == "") == fine


def test_token_and_addresses_of_a_server_for_all():
    keeper = doorkeeper("0.0.0.0", 8765, allow_remote=True)
    there = "192.168.1.7:8765"
    good = f"/socket?token={keeper.token}"
    assert keeper.refuses(there, f"http://{there}", good, True) == ""
    wrong = ("/socket", "/socket?token=", "/socket?token=x", f"/socket?token={keeper.token}x")
    for path in (*wrong, f"/socket?token=é&token={keeper.token}"):
        assert "token" in keeper.refuses(there, f"http://{there}", path, True)
    assert keeper.refuses("evil.example:8765", None, good, False)
    assert keeper.without_token().refuses(there, None, "/main.js", False) == ""
    other = doorkeeper("0.0.0.0", 8765, allow_remote=True)
    assert other.token != keeper.token


def test_allowance_is_a_burst_and_a_rate():
    allowance = Allowance(0.0)
    assert sum(allowance.spend(0.0) for _ in range(1000)) == BURST
    assert sum(allowance.spend(10.0) for _ in range(1000)) == min(BURST, 10 * RATE)
    # a hundred messages a second for a minute
    allowance = Allowance(0.0)
    passed = sum(allowance.spend(0.01 * k) for k in range(6000))
    assert BURST + 60 * RATE - 2 <= passed <= BURST + 60 * RATE
