"""ASGI apps on real sockets of this machine, for tests, the demo and `crossmarket emulate`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp


class Server:
    """Serves one app in a thread of its own, on 127.0.0.1.

    Args:
        app: What to serve.
        port: Where; 0 takes a free port.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        # asyncio switches Nagle's algorithm off only where the protocol is named; each answer would wait 40 ms else.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self._server = _Quiet(
            uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, ws="none")
        )
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="crossmarket-server",
            daemon=True,
        )

    @property
    def url(self) -> str:
        """Where it serves, such as `http://127.0.0.1:49152`."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Serve, and return when calls can be made."""
        self._thread.start()
        self._server.ready.wait(timeout=30)

    def stop(self) -> None:
        """Stop serving; calls that are under way get one second."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


class _Quiet(uvicorn.Server):
    """Says when it is ready, and leaves signals to the main program."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        # Looks for the end more often than uvicorn itself does: tests start and stop many servers.
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def serve(app: ASGIApp, *, port: int = 0) -> Iterator[str]:
    """Serve an app while the block runs, and yield its address."""
    server = Server(app, port=port)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
