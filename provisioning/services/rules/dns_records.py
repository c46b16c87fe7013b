"""The DNS records by which clients and other servers find a SIP domain (RFC 3263): which there
should be, and which there are."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.nameserver
import dns.resolver
from django.conf import settings

from provisioning.core.errors import Unreachable
from provisioning.models import SipDomain, SipServer

_SERVICES = {"tls": "_sips._tcp", "tcp": "_sip._tcp", "udp": "_sip._udp"}
_NAPTR = {"tls": "SIPS+D2T", "tcp": "SIP+D2T", "udp": "SIP+D2U"}
# The order in which clients shall try the transports.
_PREFERENCE = {"tls": 10, "tcp": 20, "udp": 30}
_TTL = 3600


class State(StrEnum):
    """What DNS says of one name and type."""

    PUBLISHED = "published"
    MISSING = "missing"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish: the owner's name, the type, and the data as in a zone file."""

    name: str
    type: str
    data: str

    def __str__(self) -> str:
        return f"{self.name}. {_TTL} IN {self.type} {self.data}"


@dataclass(frozen=True, slots=True)
class Checked:
    """All records of one name and type: `missing` are not there, `others` are there besides.

    `problem` says why nobody knows.
    """

    name: str
    type: str
    state: State
    missing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    problem: str = ""


def wanted_records(*, domain: SipDomain) -> list[Record]:
    """What to publish so that clients find every SIP server that is in use.

    Servers that are named by an address are left out: SRV leads to names only.
    """
    reached: dict[str, list[tuple[str, int]]] = {}
    for server in SipServer.objects.filter(enabled=True).order_by("name"):
        if _is_name(server.sip_host):
            for listener in server.listeners():
                places = reached.setdefault(listener.transport, [])
                if (listener.host, listener.port) not in places:
                    places.append((listener.host, listener.port))
    naptr = [
        Record(domain.domain, "NAPTR", _naptr(domain, transport))
        for transport in _SERVICES
        if transport in reached
    ]
    srv = [
        Record(f"{_SERVICES[transport]}.{domain.domain}", "SRV", f"10 10 {port} {host}.")
        for transport in _SERVICES
        for host, port in reached.get(transport, ())
    ]
    return naptr + srv


def servers_without_name() -> list[SipServer]:
    """Servers in use that no SRV record can lead to."""
    servers = SipServer.objects.filter(enabled=True).order_by("name")
    return [server for server in servers if not _is_name(server.sip_host)]


def check_records(*, domain: SipDomain) -> list[Checked]:
    """Ask DNS for every name of `wanted_records`, and whether the servers' names have addresses.

    Priorities and weights may differ: how calls are shared out is the publisher's choice. Raises
    Unreachable where there is nobody to ask.
    """
    try:
        resolver = _resolver()
    except dns.exception.DNSException as error:
        raise Unreachable(
            "This machine knows no DNS server. Name one in RTCADMIN_DNS_SERVERS."
        ) from error
    return list(_checked(resolver, wanted_records(domain=domain)))


def _checked(resolver: dns.resolver.Resolver, wanted: Sequence[Record]) -> Iterator[Checked]:
    for name, kind in dict.fromkeys((record.name, record.type) for record in wanted):
        data = [each.data for each in wanted if (each.name, each.type) == (name, kind)]
        try:
            found = _ask(resolver, name, kind)
        except dns.exception.DNSException as error:
            yield Checked(name, kind, State.UNKNOWN, problem=_said(error))
            continue
        have = {_essence(kind, text) for text in found}
        want = {_essence(kind, text) for text in data}
        missing = tuple(text for text in data if _essence(kind, text) not in have)
        others = tuple(text for text in found if _essence(kind, text) not in want)
        state = State.MISSING if missing else State.DIFFERENT if others else State.PUBLISHED
        yield Checked(name, kind, state, missing, others)
    for host in sorted(
        {each.data.split()[-1].rstrip(".") for each in wanted if each.type == "SRV"}
    ):
        try:
            there = _ask(resolver, host, "A") or _ask(resolver, host, "AAAA")
        except dns.exception.DNSException as error:
            yield Checked(host, "A or AAAA", State.UNKNOWN, problem=_said(error))
            continue
        missing = () if there else ("an address",)
        yield Checked(host, "A or AAAA", State.PUBLISHED if there else State.MISSING, missing)


def _ask(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[str]:
    """The data of the records as texts; none where the name or the type is not there."""
    try:
        answer = resolver.resolve(f"{name}.", kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return sorted(rdata.to_text() for rdata in answer)


def _resolver() -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=not settings.DNS_SERVERS)
    resolver.cache = None
    resolver.lifetime = settings.DNS_TIMEOUT
    if settings.DNS_SERVERS:
        resolver.nameservers = [_nameserver(text) for text in settings.DNS_SERVERS]
    return resolver


def _nameserver(text: str) -> dns.nameserver.Do53Nameserver:
    address, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    return dns.nameserver.Do53Nameserver(address, int(port))


def _naptr(domain: SipDomain, transport: str) -> str:
    service, target = _NAPTR[transport], f"{_SERVICES[transport]}.{domain.domain}."
    return f'{_PREFERENCE[transport]} 50 "s" "{service}" "" {target}'


def _essence(kind: str, data: str) -> tuple[str, ...]:
    """What a record says, without how calls are shared out."""
    return tuple(data.lower().split()[2:])


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _said(error: dns.exception.DNSException) -> str:
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return "DNS gave no answer in time."
    if isinstance(error, dns.resolver.NoNameservers):
        return "No DNS server would answer."
    return f"DNS could not be asked: {type(error).__name__}."
