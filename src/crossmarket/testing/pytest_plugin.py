"""What every test of the core and of a provider needs, as a pytest plugin: no network, no waiting, a clock.

Switch it on with `-p crossmarket.testing.pytest_plugin`.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import stamina
from pytest_socket import socket_allow_hosts

from crossmarket.testing.clock import FakeClock

LOOPBACK = ["127.0.0.1", "::1", "localhost"]
"""The hosts that a test may speak to."""


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands at 2026-03-01 12:00 UTC until it is moved."""
    return FakeClock()


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Let retries follow one another at once, as many as there are in earnest."""
    with stamina.set_testing(True, attempts=1000, cap=True):
        yield


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests reach this machine only: other names do not resolve, other addresses fail the test.

    A test that is marked `live` or `enable_socket` is let through.
    """
    if any(request.node.get_closest_marker(name) for name in ("live", "enable_socket")):
        return
    resolve = socket.getaddrinfo

    def resolve_loopback(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or name in LOOPBACK or _is_address(name):
            return resolve(host, *args, **options)
        raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {name} does not resolve")

    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)  # pytest-socket itself lifts it after each test
    monkeypatch.setattr(socket, "getaddrinfo", resolve_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
