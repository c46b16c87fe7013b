"""Where the console may connect to: every address that an administrator gives is judged here.

An address is refused after its name was resolved, so a name that points to a forbidden place is
refused too; whoever connects gets the addresses that were judged, so that the name cannot lead
elsewhere a moment later. Private networks are legitimate; the addresses of clouds' metadata
services and the console itself are not.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from provisioning.core.errors import InvalidInput, Unreachable
from provisioning.core.records import SourceRecord

_DIRECTORY = "The directory's address"
HTTP = {"http": 80, "https": 443}
LDAP = {"ldap": 389, "ldaps": 636}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Strict on purpose: libpq reads a comma as a list of hosts and a leading slash as a socket's
# folder.
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?", re.ASCII)
# Metadata services outside the link-local range: AWS over IPv6, Alibaba Cloud, Oracle Cloud
# Classic.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_BROADCAST = ipaddress.ip_address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a URL leads: scheme, host (without brackets), port."""

    scheme: str
    host: str
    port: int


def check_target(*, host: str, port: int, what: str) -> list[str]:
    """The addresses that `host` resolves to, all of which the console may connect to.

    `what` names the field in messages ("The control address"). Raises InvalidInput when one of the
    addresses is refused, and Unreachable when the name cannot be resolved right now.
    """
    bare = check_host(host=host, what=what)
    if not 1 <= port <= 65535:
        raise InvalidInput(f"{what} needs a port from 1 to 65535, not {port}.")
    try:
        found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(
            f"{what}: the name “{bare}” cannot be resolved. Check the spelling, and that this "
            "machine's DNS knows it."
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in addresses:
        reason = _refusal(ipaddress.ip_address(text), port)
        if reason:
            shown = bare if bare == text else f"{bare} ({text})"
            raise InvalidInput(f"{what} must not be {shown}: {reason}")
    return addresses


def pin_source(record: SourceRecord) -> SourceRecord:
    """`record` with the addresses of its servers, resolved once and allowed.

    A host that cannot be resolved now gets none, so nothing is connected to in its place later.
    Raises InvalidInput where an address is refused, or where a password would travel in clear.
    """
    addresses: dict[str, tuple[str, ...]] = {}
    for uri in record.uris:
        with suppress(Unreachable):  # the next server may still answer
            host, found = check_directory(uri, encrypted=record.tls != "none")
            addresses[host] = found
    return replace(record, addresses=addresses)


def check_directory(uri: str, *, encrypted: bool) -> tuple[str, tuple[str, ...]]:
    """The host of a directory's address and what it resolves to.

    Raises InvalidInput where that is refused, or where a password would travel in clear, and
    Unreachable when the name cannot be resolved right now.
    """
    endpoint = parse_url(url=uri, schemes=LDAP, what=_DIRECTORY)
    found = check_target(host=endpoint.host, port=endpoint.port, what=_DIRECTORY)
    if not encrypted and not all(ipaddress.ip_address(each).is_loopback for each in found):
        raise InvalidInput(
            f"Without encryption the password would travel to {endpoint.host} in clear. Choose "
            "LDAPS or StartTLS; only a directory on this machine is reached without."
        )
    return endpoint.host, tuple(found)


def check_url(*, url: str, schemes: Mapping[str, int], what: str) -> Endpoint:
    """Where `url` leads, once its scheme and its target are allowed.

    `schemes` maps the allowed ones to their default ports.
    """
    endpoint = parse_url(url=url, schemes=schemes, what=what)
    check_target(host=endpoint.host, port=endpoint.port, what=what)
    return endpoint


def parse_url(*, url: str, schemes: Mapping[str, int], what: str) -> Endpoint:
    """Where `url` leads, judged by its text alone: no user names, no query, one of `schemes`."""
    example = f"{list(schemes)[-1]}://host.example.com"
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"{what} is not an address such as {example}.") from error
    if parts.scheme not in schemes:
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        raise InvalidInput(f"{what} must begin with {allowed}, such as {example}.")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidInput(
            f"{what} must not hold a user name, a “?” or a “#”; secrets have a field of their own."
        )
    if schemes is LDAP and parts.path.strip("/"):
        raise InvalidInput(
            f"{what} must end after the host and port; bases have fields of their own."
        )
    return Endpoint(
        parts.scheme,
        check_host(host=parts.hostname or "", what=what),
        port or schemes[parts.scheme],
    )


def check_host(*, host: str, what: str) -> str:
    """`host` as one bare host name or IP address, judged by its text alone."""
    bare = host.strip().removeprefix("[").removesuffix("]")
    if ":" in bare:
        try:
            return str(ipaddress.IPv6Address(bare))
        except ValueError:
            bare = ""
    if not _HOST.fullmatch(bare):
        raise InvalidInput(f"{what} needs one host name or IP address, such as sip1.example.com.")
    return bare


def check_sqlite_path(path: str) -> Path:
    """The file behind `path`, links followed; it must exist below the folder of SQLite stores.

    A relative path starts in that folder.
    """
    folder = Path(settings.SQLITE_STORES).resolve()
    try:
        file = (folder / path).resolve()
        allowed = file.is_relative_to(folder) and file != folder
        exists = allowed and file.is_file()
    except (OSError, ValueError) as error:
        raise InvalidInput("The database file is not a path that this machine can open.") from error
    if not allowed:
        raise InvalidInput(
            f"SQLite stores are opened only below {folder}; move or mount the file there."
        )
    if not exists:
        raise InvalidInput(
            f"There is no file {file}. The SIP server's database must exist already."
        )
    return file


def _refusal(address: Address, port: int) -> str:
    """Why `address` is refused; empty when it is not."""
    address = _unwrapped(address)
    if address in _METADATA or address.is_link_local:
        return "link-local and metadata addresses are never servers of yours."
    if (
        address.is_multicast
        or address.is_unspecified
        or address == _BROADCAST
        or address in _THIS_NETWORK
    ):
        return "that is not the address of one machine."
    if port in settings.CONSOLE_PORTS and (address.is_loopback or _is_own(address)):
        return f"port {port} on this machine is the console itself."
    if address.is_loopback and not settings.ALLOW_LOOPBACK:
        return (
            "it is this machine itself. Where the other side really runs on the console's "
            "machine, its "
            "administrator allows that with RTCADMIN_ALLOW_LOOPBACK=1."
        )
    return ""


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner
    return address


def _is_own(address: Address) -> bool:
    """Whether `address` belongs to this machine: only own addresses can be bound."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
