"""JSON-RPC 2.0 over HTTP(S) as Kamailio's jsonrpcs and xhttp speak it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import httpx

from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import ServerRecord

_LARGEST_ANSWER = 1_000_000  # bytes; none of the calls here answers with more than a few KB
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")
_LONGEST_WORDS = 200
# What a proxy or a restarting server says; a later attempt may find it gone.
_PASSING_STATUS = frozenset({429, 502, 503, 504})


class RpcFault(Rejected):
    """Kamailio itself answered with an error; `said` holds its words alone."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class RpcClient:
    """Calls methods of one server over a connection that is kept.

    Asynchronous within, because a deadline over name look-up, TLS and a trickling answer cannot be
    had from blocking sockets; for one thread at a time, and not from within an event loop.
    """

    def __init__(self, server: ServerRecord) -> None:
        self._server = server
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None

    def deadline(self) -> float:
        """When a conversation that starts now must be over, on the monotonic clock."""
        return time.monotonic() + self._server.total_timeout

    def call(self, method: str, params: Sequence[str | int], until: float) -> object:
        """The result of a call; RpcFault, Rejected, or Unreachable once `until` has come."""
        # The order of the keys and the missing blanks matter: servers allow methods by the raw
        # beginning of the body, because jsonrpcs takes the first of several "method" keys.
        request = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
        body = json.dumps(request, separators=(",", ":")).encode()
        try:
            status, answer = self._runner.run(self._exchange(body, until))
        except (TimeoutError, httpx.TimeoutException):
            self._unreachable(f"no answer to {method} in time")
        except httpx.InvalidURL:
            self._reject("its address is not a URL")
        except httpx.UnsupportedProtocol:
            self._reject("its address begins with neither http:// nor https://")
        except (httpx.HTTPError, OSError) as error:
            origin = _origin(error)
            if isinstance(origin, ssl.SSLError):
                self._reject(f"TLS: {self._words(_said(origin))}")
            self._unreachable(self._words(_said(origin)))
        return self._result(method, status, answer)

    def close(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    async def _exchange(self, body: bytes, until: float) -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(loop.time() + until - time.monotonic()):
            named = httpx.URL(self._server.rpc_url)
            *others, last = self._server.addresses or (named.host,)
            for address in others:
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await self._ask(address, named, body)
            return await self._ask(last, named, body)

    async def _ask(self, address: str, named: httpx.URL, body: bytes) -> tuple[int, bytes]:
        """Connects to `address`; TLS and the request go to the name."""
        exchange = self._open().stream(
            "POST",
            named.copy_with(host=address),
            content=body,
            headers={"Host": named.netloc.decode("ascii")},
            extensions={"sni_hostname": named.host},
        )
        async with exchange as response:
            answer = bytearray()
            async for piece in response.aiter_raw():
                answer += piece
                if len(answer) > _LARGEST_ANSWER:
                    self._reject(f"its answer is longer than {_LARGEST_ANSWER} bytes")
            return response.status_code, bytes(answer)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            secret = self._server.rpc_secret
            if not (secret.isascii() and secret.isprintable()):
                self._reject("its RPC secret holds characters that no header can carry")
            total, connect = self._server.total_timeout, self._server.connect_timeout
            self._client = httpx.AsyncClient(
                headers={
                    "X-RPC-Secret": secret,
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",
                },
                verify=ssl.create_default_context(cadata=self._server.ca_pem or None),
                timeout=httpx.Timeout(total, connect=connect),
                follow_redirects=False,
                # No proxy of the environment gets to see the secret.
                trust_env=False,
            )
        return self._client

    def _result(self, method: str, status: int, answer: bytes) -> object:
        try:
            document = json.loads(answer)
        except ValueError:
            document = None
        fields = document if isinstance(document, dict) else {}
        error = fields.get("error")
        if isinstance(error, dict):
            said = self._words(str(error.get("message", "")))
            raise RpcFault(f"{self._named()} refused {method}: {said}", said)
        if status in _PASSING_STATUS:
            self._unreachable(f"HTTP status {status}")
        if status == httpx.codes.UNAUTHORIZED:
            self._reject(f"it refuses the control secret (HTTP status {status})")
        if status != httpx.codes.OK:
            self._reject(f"HTTP status {status} {self._words(answer.decode(errors='replace'))}")
        if "result" not in fields:
            self._reject(f"its answer to {method} is no JSON-RPC")
        return fields["result"]

    def _words(self, said: str) -> str:
        """One short printable line without the secret, which a server might echo."""
        if self._server.rpc_secret:
            said = said.replace(self._server.rpc_secret, "…")
        return _UNPRINTABLE.sub(" ", said).strip()[:_LONGEST_WORDS]

    def _named(self) -> str:
        return f"SIP server “{self._server.name}”"

    def _reject(self, why: str) -> NoReturn:
        raise Rejected(f"{self._named()} cannot be used: {why.strip()}.") from None

    def _unreachable(self, why: str) -> NoReturn:
        raise Unreachable(f"{self._named()} cannot be reached: {why}.") from None


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
