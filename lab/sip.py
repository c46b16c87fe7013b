"""A small SIP client for UDP, TCP and TLS: enough to prove that a server accepts or refuses.

RFC 3261 (client transactions), RFC 7616 and RFC 8760 (digest with MD5, SHA-256 or SHA-512-256,
qop=auth).
"""

import hashlib
import re
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lab.ports import HOST

Transport = Literal["udp", "tcp", "tls"]
# RFC 3261, 17.1.2.2: the first repetition over UDP, doubling up to the second.
T1, T2 = 0.5, 4.0
DATAGRAM = 65_535
HASHES: Mapping[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
    "SHA-512-256": partial(hashlib.new, "sha512_256"),
}
CHALLENGES = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
# What a response repeats of its request (RFC 3261, 8.2.6.2).
ECHOED = frozenset({"via", "from", "to", "call-id", "cseq"})
COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


@dataclass(frozen=True)
class Response:
    """A final response; header names in lower case, the last of several values.

    `challenges` are the values of every challenge, by its algorithm.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    challenges: Mapping[str, str]


@dataclass(frozen=True)
class Login:
    """Who signs in; `ha1` is used instead of the password where it is given.

    Of several challenges the one with `algorithm` is answered, or the last where it is empty.
    """

    user: str
    domain: str
    password: str = ""
    ha1: str = ""
    algorithm: str = ""

    @property
    def aor(self) -> str:
        return f"sip:{self.user}@{self.domain}"

    def __repr__(self) -> str:
        return f"Login({self.aor})"


class SipClient:
    """One socket to one server; raises TimeoutError when no final response comes in time.

    What the server asks meanwhile is answered with 200; `requests` holds the first lines.
    """

    def __init__(
        self,
        port: int,
        transport: Transport = "udp",
        *,
        ca_file: Path | None = None,
        host: str = HOST,
        source: str = HOST,
        timeout: float = 15.0,
    ) -> None:
        self.transport = transport
        self.timeout = timeout
        self.requests: list[str] = []
        self._received = b""
        if transport == "udp":
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((source, 0))
            self._socket.connect((host, port))
        else:
            self._socket = socket.create_connection((host, port), timeout, (source, 0))
        if transport == "tls":
            context = ssl.create_default_context(cafile=ca_file)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        address, self.port = self._socket.getsockname()[:2]
        self._address = f"{address}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    def register(self, login: Login, *, expires: int = 60) -> Response:
        """Registers this socket as a contact; `expires` 0 takes it back."""
        contact = f"<sip:{login.user}@{self._address};transport={self.transport}>"
        headers = {"Contact": contact, "Expires": str(expires)}
        return self.request("REGISTER", f"sip:{login.domain}", login.aor, login, headers)

    def options(self, uri: str) -> Response:
        return self.request("OPTIONS", uri, uri)

    def invite(
        self, to: str, login: Login | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Calls, and takes whatever is answered; `to` is a SIP URI."""
        told = {"Contact": f"<sip:{self._address}>", **(headers or {})}
        return self.request("INVITE", to, to, login, told)

    def message(self, login: Login, to: str, text: str) -> Response:
        return self.request("MESSAGE", to, to, login, {"Content-Type": "text/plain"}, text)

    def request(
        self,
        method: str,
        uri: str,
        to: str,
        login: Login | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> Response:
        """Sends a request, answers one challenge where there is a login, returns the outcome."""
        sender = login.aor if login else f"sip:probe@{self._address}"
        fixed = {
            "From": f"<{sender}>;tag={secrets.token_hex(4)}",
            "To": f"<{to}>",
            "Call-ID": secrets.token_hex(12),
            "Max-Forwards": "70",
            **(headers or {}),
        }
        response = self._transact(method, uri, {**fixed, "CSeq": f"1 {method}"}, body)
        if login is None or response.status not in CHALLENGES:
            return response
        asked, answered = CHALLENGES[response.status]
        last = response.headers[asked]
        challenge = response.challenges[login.algorithm] if login.algorithm else last
        answer = digest(challenge, method, uri, login)
        return self._transact(method, uri, {**fixed, "CSeq": f"2 {method}", answered: answer}, body)

    def _transact(self, method: str, uri: str, headers: Mapping[str, str], body: str) -> Response:
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        via = f"SIP/2.0/{self.transport.upper()} {self._address};branch={branch};rport"
        payload = body.encode()
        lines = [f"{method} {uri} SIP/2.0", f"Via: {via}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(payload)}", "", ""]
        packet = "\r\n".join(lines).encode() + payload
        end, pause = time.monotonic() + self.timeout, T1
        self._socket.sendall(packet)
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(min(left, pause) if self.transport == "udp" else left)
            try:
                response = self._receive()
            except TimeoutError:
                if self.transport == "udp":
                    self._socket.sendall(packet)
                    pause = min(pause * 2, T2)
                continue
            if response and response.status >= 200 and branch in response.headers["via"]:
                # RFC 3261, 17.1.1.3; of an accepted call nobody here waits for the ACK.
                if method == "INVITE" and response.status >= 300:
                    self._acknowledge(uri, via, headers, response)
                return response
        raise TimeoutError(f"no final response to {method} within {self.timeout:g} s")

    def _acknowledge(
        self, uri: str, via: str, headers: Mapping[str, str], response: Response
    ) -> None:
        lines = [f"ACK {uri} SIP/2.0", f"Via: {via}", f"To: {response.headers['to']}"]
        lines += [f"{name}: {headers[name]}" for name in ("From", "Call-ID", "Max-Forwards")]
        lines += [f"CSeq: {headers['CSeq'].split()[0]} ACK", "Content-Length: 0", "", ""]
        self._socket.sendall("\r\n".join(lines).encode())

    def _receive(self) -> Response | None:
        """The next response; None for a request or a keep-alive."""
        if self.transport == "udp":
            return self._read_head(self._socket.recv(DATAGRAM).partition(b"\r\n\r\n")[0])
        while b"\r\n\r\n" not in self._received:
            self._read()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        size = int(length[1]) if length else 0
        while len(self._received) < size:
            self._read()
        self._received = self._received[size:]
        return self._read_head(head)

    def wait_for_request(self) -> str:
        """The first line of the next request that the server sends, or has sent already."""
        self._socket.settimeout(self.timeout)
        while not self.requests:
            self._receive()
        return self.requests.pop(0)

    def _read_head(self, packet: bytes) -> Response | None:
        head = packet.decode(errors="replace").strip()
        if head and not head.startswith("SIP/"):
            self._accept(head)
            return None
        return _parse(head)

    def _accept(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        self.requests.append(first)
        if not first.startswith("ACK "):
            same = [line for line in lines if line.partition(":")[0].lower() in ECHOED]
            answer = ["SIP/2.0 200 OK", *same, "Content-Length: 0", "", ""]
            self._socket.sendall("\r\n".join(answer).encode())

    def _read(self) -> None:
        more = self._socket.recv(DATAGRAM)
        if not more:
            raise ConnectionError("the server closed the connection")
        self._received += more


def digest(challenge: str, method: str, uri: str, login: Login) -> str:
    """The value of an Authorization header that answers a challenge; raises KeyError for an
    algorithm that is not in HASHES."""
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    asked = {name.lower(): quoted or plain for name, quoted, plain in found}
    algorithm = asked.get("algorithm", "MD5").upper()

    def hashed(*parts: str) -> str:
        return HASHES[algorithm](":".join(parts).encode()).hexdigest()

    ha1 = login.ha1 or hashed(login.user, asked["realm"], login.password)
    answer = {"username": login.user, "realm": asked["realm"], "nonce": asked["nonce"], "uri": uri}
    ha2 = hashed(method, uri)
    bare = f"algorithm={algorithm}"
    if "qop" in asked:
        answer["cnonce"] = secrets.token_hex(8)
        bare += ", qop=auth, nc=00000001"
        answer["response"] = hashed(ha1, asked["nonce"], "00000001", answer["cnonce"], "auth", ha2)
    else:
        answer["response"] = hashed(ha1, asked["nonce"], ha2)
    return "Digest " + ", ".join([*(f'{name}="{value}"' for name, value in answer.items()), bare])


def _parse(head: str) -> Response | None:
    first, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    start = re.fullmatch(r"SIP/2\.0 (\d{3}) ?(.*)", first)
    if start is None:
        return None
    headers, challenges = {}, {}
    asked = [name for name, _ in CHALLENGES.values()]
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[COMPACT.get(name, name)] = value.strip()
        if name in asked:
            algorithm = re.search(r'algorithm="?([\w-]+)', value)
            challenges[algorithm[1].upper() if algorithm else "MD5"] = value.strip()
    return Response(int(start[1]), start[2], headers, challenges)
