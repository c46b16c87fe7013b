"""SIP messages: written, and read within bounds whatever comes (RFC 3261 sections 7 and 20)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from provisioning.core.errors import Rejected

# What one message may have, as a datagram has at most.
LARGEST = 65_535
_MOST_HEADERS = 250
_LONGEST_WORDS = 80

_COMPACT: Mapping[str, str] = MappingProxyType(
    {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
     "k": "supported", "c": "content-type"}
)  # fmt: skip
_FOLDED = re.compile(r"\r\n[ \t]+")
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?")
_REQUEST = re.compile(r"([A-Z]{1,20}) (\S{1,1000}) SIP/2\.0")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ufffd]+")
_URI = re.compile(r"<([^<>\s]+)>|([^<>\s;,]+)")

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response; header names are in lower case and written out."""

    headers: Headers = field(repr=False)

    def all(self, name: str) -> list[str]:
        """Every value of a header, in their order."""
        return [value for found, value in self.headers if found == name]

    def first(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def branch(self) -> str:
        """What tells its transaction from others."""
        return parameter(self.first("via"), "branch")

    @property
    def cseq_method(self) -> str:
        """The method of the request that it is or answers."""
        return self.first("cseq").rpartition(" ")[2]


@dataclass(frozen=True, slots=True)
class Request(Message):
    """What the server asks this user agent."""

    method: str
    uri: str

    @property
    def user(self) -> str:
        """The user part of its URI; empty where there is none."""
        return self.uri.partition(":")[2].rpartition("@")[0].partition(";")[0]


@dataclass(frozen=True, slots=True)
class Response(Message):
    """What a server answers; `reason` are its own words, printable and short."""

    status: int
    reason: str

    @property
    def words(self) -> str:
        """Status and reason."""
        return f"{self.status} {self.reason}".strip()

    @property
    def accepted(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @property
    def challenges(self) -> bool:
        """Whether it asks for credentials."""
        return self.status in (401, 407)


def write_message(first: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """The message as it travels; raises ValueError for a line break within a value."""
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break within a line")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_message(packet: bytes) -> Request | Response | None:
    """The message in `packet`, or None where it is none: a keep-alive, or nonsense."""
    head = packet[:LARGEST].partition(b"\r\n\r\n")[0].decode(errors="replace").lstrip("\r\n")
    first, *lines = _FOLDED.sub(" ", head).split("\r\n")
    if len(lines) > _MOST_HEADERS:
        return None
    headers = tuple(_header(line) for line in lines if ":" in line)
    if status := _STATUS.fullmatch(first):
        reason = _UNPRINTABLE.sub(" ", status[2] or "").strip()[:_LONGEST_WORDS]
        return Response(headers, int(status[1]), reason)
    if request := _REQUEST.fullmatch(first):
        return Request(headers, request[1], request[2])
    return None


def body_length(head: bytes) -> int:
    """How many bytes follow a head on a connection; raises Rejected where that is too many."""
    found = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", head)
    length = int(found[1]) if found else 0
    if length > LARGEST:
        raise Rejected(f"The server's message is longer than {LARGEST} bytes.")
    return length


def parameter(value: str, name: str) -> str:
    """A parameter of a header's value, such as the tag of a From; empty where there is none."""
    found = re.search(rf"(?i);[ \t]*{name}[ \t]*=[ \t]*([^\s;,>]+)", value)
    return found[1] if found else ""


def uri_of(value: str) -> str:
    """The URI of a Contact, Route or Record-Route."""
    found = _URI.search(value)
    return "" if found is None else found[1] or found[2]


def values_of(lines: Iterable[str]) -> list[str]:
    """The single values of a header that may stand in several lines or, by commas, in one."""
    return [each.strip() for line in lines for each in re.split(r",(?=\s*[<\"])", line)]


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    name = name.strip().lower()
    return _COMPACT.get(name, name), value.strip()
