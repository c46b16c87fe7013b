"""JSON-RPC 2.0 over HTTP(S), as Kamailio (jsonrpcs, xhttp) and OpenSIPS (mi_http) speak it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from provisioning.core.errors import Rejected
from provisioning.core.records import ServerRecord
from provisioning.drivers.http import Answer, HttpClient, Request

_LARGEST_ANSWER = 1_000_000  # bytes; none of the calls here answers with more than a few KB


Parameters = Sequence[str | int] | Mapping[str, str | Sequence[str]]


class RpcFault(Rejected):
    """The server itself answered with an error; `said` holds its words alone, `code` its number."""

    def __init__(self, message: str, said: str, code: int) -> None:
        super().__init__(message)
        self.said = said
        self.code = code


class RpcClient:
    """Calls methods of one server over a connection that is kept; for one thread at a time."""

    def __init__(self, server: ServerRecord) -> None:
        self._http = HttpClient(server, largest=_LARGEST_ANSWER)
        self._secret = server.rpc_secret

    def deadline(self) -> float:
        """When a conversation that starts now must be over, on the monotonic clock."""
        return self._http.deadline()

    def call(self, method: str, params: Parameters, until: float) -> object:
        """The result of a call; RpcFault, Rejected, or Unreachable once `until` has come."""
        if not (self._secret.isascii() and self._secret.isprintable()):
            self._http.reject("its RPC secret holds characters that no header can carry")
        # The order of the keys and the missing blanks matter: Kamailio allows methods by the raw
        # beginning of the body, because jsonrpcs takes the first of several "method" keys.
        given = dict(params) if isinstance(params, Mapping) else list(params)
        call = {"jsonrpc": "2.0", "method": method, "params": given, "id": 1}
        request = Request(
            method,
            content=json.dumps(call, separators=(",", ":")).encode(),
            headers={"X-RPC-Secret": self._secret, "Content-Type": "application/json"},
        )
        return self._result(method, self._http.ask(request, until))

    @property
    def named(self) -> str:
        """The server, as messages call it."""
        return self._http.named

    def close(self) -> None:
        self._http.close()

    def _result(self, method: str, answer: Answer) -> object:
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        fields = document if isinstance(document, dict) else {}
        error = fields.get("error")
        if isinstance(error, dict):
            said = self._http.words(str(error.get("message", "")))
            if detail := self._http.words(str(error.get("data", ""))):
                said = f"{said} ({detail})"
            code = error.get("code")
            raise RpcFault(
                f"{self._http.named} refused {method}: {said}",
                said,
                code if isinstance(code, int) else 0,
            )
        self._http.require_ok(answer)
        if "result" not in fields:
            self._http.reject(f"its answer to {method} is no JSON-RPC")
        return fields["result"]
