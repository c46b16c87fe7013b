"""A TCP proxy that misbehaves as told."""

import asyncio
import threading
from asyncio import AbstractEventLoop, Server, StreamReader, StreamWriter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass

from lab.ports import HOST, free_port
from lab.process import Counterpart, LabError

CHUNK = 65_536
START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Pass:
    """Everything goes through."""


@dataclass(frozen=True)
class Refuse:
    """Nobody listens: connection refused; open connections are reset."""


@dataclass(frozen=True)
class BlackHole:
    """Connections are accepted, and nothing ever comes back."""


@dataclass(frozen=True)
class Delay:
    """Each piece that the server sends arrives so many seconds late."""

    seconds: float


@dataclass(frozen=True)
class CutAfter:
    """Each connection is reset once the server has sent so many bytes."""

    size: int


@dataclass(frozen=True)
class CutConnection:
    """The connection with this number, from 1 since the fault was set, is reset at once."""

    number: int


Fault = Pass | Refuse | BlackHole | Delay | CutAfter | CutConnection


class Proxy(Counterpart):
    """Listens on at:port and passes on to host:target; set() changes the fault at any time.

    A fault holds for open connections too, from the next piece of data on.
    """

    def __init__(
        self, target: int, *, host: str = HOST, at: str = HOST, port: int | None = None
    ) -> None:
        self.target = target
        self.host = host
        self.at = at
        self.port = port or free_port()
        self.connections = 0
        self._fault: Fault = Pass()
        self._loop: AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: Server | None = None
        self._open: set[StreamWriter] = set()

    @property
    def fault(self) -> Fault:
        return self._fault

    def start(self) -> None:
        if self._loop is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.set(self._fault)

    def stop(self) -> None:
        if self._loop is None or self._thread is None:
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_TIMEOUT)
        self._loop.close()
        self._loop = self._thread = None

    def set(self, fault: Fault) -> None:
        """Sets the fault and counts connections from 0 again; returns once it holds."""
        self._call(self._set(fault))

    def cut(self) -> None:
        """Resets every open connection."""
        self._call(self._cut())

    def _call(self, work: Coroutine[object, object, None]) -> None:
        if self._loop is None:
            work.close()
            raise LabError("the proxy is not running")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIMEOUT)

    async def _set(self, fault: Fault) -> None:
        self._fault = fault
        self.connections = 0
        if isinstance(fault, Refuse):
            await self._close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, self.at, self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        upstream: StreamWriter | None = None
        try:
            if self._fault == CutConnection(self.connections):
                return
            answers, upstream = await asyncio.open_connection(self.host, self.target)
            self._open.add(upstream)
            ways = [
                asyncio.create_task(self._forward(reader, upstream)),
                asyncio.create_task(self._answer(answers, writer)),
            ]
            _, waiting = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in waiting:
                way.cancel()
        except OSError:
            # The server behind is down: the client sees a reset.
            return
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._open.discard(end)
                    end.transport.abort()

    async def _forward(self, source: StreamReader, sink: StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(CHUNK):
                if not isinstance(self._fault, BlackHole):
                    sink.write(piece)
                    await sink.drain()

    async def _answer(self, source: StreamReader, sink: StreamWriter) -> None:
        sent = 0
        with suppress(ConnectionError):
            while piece := await source.read(CHUNK):
                fault = self._fault
                if isinstance(fault, BlackHole):
                    continue
                if isinstance(fault, Delay):
                    await asyncio.sleep(fault.seconds)
                if isinstance(fault, CutAfter):
                    piece = piece[: max(fault.size - sent, 0)]
                sink.write(piece)
                await sink.drain()
                sent += len(piece)
                if isinstance(fault, CutAfter) and sent >= fault.size:
                    return
