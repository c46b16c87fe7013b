"""HTTP(S) to a SIP server's control address: one deadline for everything, errors in plain words."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

import httpx

from provisioning.core.errors import AccessRefused, Rejected, Unreachable
from provisioning.core.records import ServerRecord

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")
_LONGEST_WORDS = 200
# What a proxy or a restarting server says; a later attempt may find it gone.
_PASSING_STATUS = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` None stands for that of the control address, `named` for it in errors."""

    named: str
    method: str = "POST"
    path: str | None = None
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the whole body."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class HttpClient:
    """Sends requests to one server over a connection that is kept.

    Asynchronous within, because a deadline over name look-up, TLS and a trickling answer cannot be
    had from blocking sockets; for one thread at a time, and not from within an event loop.
    `largest` is how many bytes an answer may have.
    """

    def __init__(self, server: ServerRecord, *, largest: int) -> None:
        self._server = server
        self._largest = largest
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None

    def deadline(self) -> float:
        """When a conversation that starts now must be over, on the monotonic clock."""
        return time.monotonic() + self._server.total_timeout

    def ask(self, request: Request, until: float) -> Answer:
        """The answer, whatever its status; Rejected, or Unreachable once `until` has come."""
        try:
            return self._runner.run(self._exchange(request, until))
        except (TimeoutError, httpx.TimeoutException):
            self.unreachable(f"no answer to {request.named} in time")
        except httpx.InvalidURL:
            self.reject("its address is not a URL")
        except httpx.UnsupportedProtocol:
            self.reject("its address begins with neither http:// nor https://")
        except (httpx.HTTPError, OSError) as error:
            origin = _origin(error)
            if isinstance(origin, ssl.SSLError):
                self.reject(f"TLS: {self.words(_said(origin))}")
            self.unreachable(self.words(_said(origin)))

    def path_of(self, below: str) -> str:
        """The path of what lies below the control address."""
        base = httpx.URL(self._server.rpc_url).path
        return f"{base.removesuffix('/')}/{below}"

    def require_ok(self, answer: Answer) -> None:
        """Raises what any status but 200 means."""
        if answer.status in _PASSING_STATUS:
            self.unreachable(f"HTTP status {answer.status}")
        if answer.status == httpx.codes.UNAUTHORIZED:
            raise AccessRefused(
                f"{self.named} answers and refuses the control secret (HTTP status "
                f"{answer.status}). Nothing was changed there. Set the same secret on both sides: "
                "in this server's form, and in its configuration. The setup guide has the lines."
            )
        if answer.status == httpx.codes.FORBIDDEN:
            raise AccessRefused(
                f"{self.named} answers and does not let this console in (HTTP status "
                f"{answer.status} {self.words(answer.text)}). Nothing was changed there. Its "
                "configuration must allow the console's address, and what it calls: the setup "
                "guide has the lines."
            )
        if answer.status != httpx.codes.OK:
            self.reject(f"HTTP status {answer.status} {self.words(answer.text)}")

    def words(self, said: str) -> str:
        """One short printable line without the secret, which a server might echo."""
        if self._server.rpc_secret:
            said = said.replace(self._server.rpc_secret, "…")
        return _UNPRINTABLE.sub(" ", said).strip()[:_LONGEST_WORDS]

    @property
    def named(self) -> str:
        """The server, as messages call it."""
        return f"SIP server “{self._server.name}”"

    def reject(self, why: str) -> NoReturn:
        raise Rejected(f"{self.named} cannot be used: {why.strip()}.") from None

    def unreachable(self, why: str) -> NoReturn:
        raise Unreachable(f"{self.named} cannot be reached: {why}.") from None

    def close(self) -> None:
        """Gives the connection back; the client is not used afterwards."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    async def _exchange(self, request: Request, until: float) -> Answer:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(loop.time() + until - time.monotonic()):
            named = httpx.URL(self._server.rpc_url)
            *others, last = self._server.addresses or (named.host,)
            for address in others:
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await self._send(address, named, request)
            return await self._send(last, named, request)

    async def _send(self, address: str, named: httpx.URL, request: Request) -> Answer:
        """Connects to `address`; TLS and the request go to the name."""
        url = named.copy_with(host=address)
        if request.path is not None:
            url = url.copy_with(raw_path=request.path.encode("ascii"))
        exchange = self._open().stream(
            request.method,
            url,
            content=request.content,
            headers={**request.headers, "Host": named.netloc.decode("ascii")},
            extensions={"sni_hostname": named.host},
        )
        async with exchange as response:
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > self._largest:
                    self.reject(f"its answer is longer than {self._largest} bytes")
            return Answer(response.status_code, response.headers, bytes(body))

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            total, connect = self._server.total_timeout, self._server.connect_timeout
            self._client = httpx.AsyncClient(
                headers={"Accept-Encoding": "identity"},
                verify=_trust(self._server.ca_pem),
                timeout=httpx.Timeout(total, connect=connect),
                follow_redirects=False,
                # No proxy of the environment gets to see the secret.
                trust_env=False,
            )
        return self._client


@lru_cache(maxsize=128)
def _trust(ca_pem: str) -> ssl.SSLContext:
    """Whom a server's certificate must be from: these authorities, or those of this machine.

    Reading the machine's costs more than all that a server is asked, so they are read once.
    """
    return ssl.create_default_context(cadata=ca_pem or None)


def _origin(error: Exception) -> Exception:
    """The system's or TLS's own error: httpx keeps it as a cause or context, some layers down."""
    origin: Exception = error
    behind = error.__cause__ or error.__context__
    while behind is not None:
        if isinstance(behind, ExceptionGroup):
            behind = behind.exceptions[0]
        # That TLS waits for more to read is how asyncio works, and no error.
        if isinstance(behind, OSError) and not isinstance(behind, ssl.SSLWantReadError):
            origin = behind
        behind = behind.__cause__ or behind.__context__
    return origin


def _said(origin: Exception) -> str:
    match origin:
        case ssl.SSLCertVerificationError():
            return origin.verify_message
        case ssl.SSLError():
            return origin.reason or str(origin)
        case OSError(errno=number) if number is not None and number > 0:
            return os.strerror(number)
        case OSError(strerror=words) if words:
            return words
        case _:
            return str(origin) or type(origin).__name__
