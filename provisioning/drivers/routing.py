"""Rows of call routing: next hops, registrations at them, where calls go, who needs no digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from provisioning.core.calls import Category

Transport = Literal["udp", "tcp", "tls"]


class Treatment(StrEnum):
    """What a server does with requests that come from a trusted host."""

    AUTHENTICATED = "authenticated"
    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A next hop for calls. Key: its number.

    It gets numbers without their first `strip` characters and with `prefix` before the rest; `t38`
    says whether it takes faxes as T.38.
    """

    number: int
    name: str
    host: str
    port: int
    transport: Transport
    strip: int = 0
    prefix: str = ""
    t38: bool = False

    @property
    def key(self) -> str:
        return str(self.number)

    @property
    def uri(self) -> str:
        """The SIP URI to send requests to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{host}:{self.port};transport={self.transport}"


@dataclass(frozen=True, slots=True)
class PoolServerRow:
    """A server of another pool (its id here), which is asked for accounts. Key: its URI.

    `uri` is the SIP URI to send requests to; what comes from its address is believed.
    """

    pool: int
    uri: str
    name: str

    @property
    def key(self) -> str:
        return self.uri


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A registration of the server itself at a gateway. Key: the gateway's number.

    `user` at `domain` is what is registered; `ha1` is H(auth_user:realm:password) with MD5.
    """

    number: int
    user: str
    domain: str
    realm: str
    auth_user: str
    ha1: str = field(repr=False)
    proxy: str
    expires: int

    @property
    def key(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """Where numbers that begin with `prefix` go: the longest prefix wins.

    `gateways` are tried in their order; without any the calls are refused. An emergency number is
    no beginning but the whole number, and its callers show `callback` where that is given. With a
    `site` (its id here; 0 for none) the row counts for callers of that site and beats all others.
    Key: the prefix, behind the site and a colon.
    """

    prefix: str
    category: Category
    gateways: tuple[int, ...]
    site: int = 0
    callback: str = ""

    @property
    def key(self) -> str:
        return f"{self.site}:{self.prefix}" if self.site else self.prefix


@dataclass(frozen=True, slots=True)
class DialRuleRow:
    """What becomes of numbers that callers of `site` (its id here) dial.

    Of its rules the first whose `pattern` is the whole number counts; `position` is from 1. Key:
    site and position.
    """

    site: int
    position: int
    pattern: str
    translation: str

    @property
    def key(self) -> str:
        return f"{self.site}:{self.position}"


@dataclass(frozen=True, slots=True)
class TrustedHostRow:
    """Addresses from which requests are treated alike. Key: treatment and network.

    `network` is an address with the length of its prefix, such as 192.0.2.0/24.
    """

    treatment: Treatment
    network: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.treatment} {self.network}"


@dataclass(frozen=True, slots=True)
class GroupAddressRow:
    """A number or user part of a SIP domain that leads to a server beside: a queue, a conference.

    `at` is host:port there, with its transport where it is not UDP. Key: user@domain.
    """

    user: str
    domain: str
    target: str
    at: str

    @property
    def key(self) -> str:
        return f"{self.user}@{self.domain}"


RoutingRow = GatewayRow | PoolServerRow | TrunkRow | RouteRow | DialRuleRow | TrustedHostRow
