"""The contract of a driver: it translates between the console's rows and one server family."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from provisioning.core.records import (
    Dialect,
    Presence,
    Registration,
    ServerHealth,
    ServerRecord,
    StoreRecord,
)
from provisioning.core.sip import Digests
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    GroupAddressRow,
    PoolServerRow,
    RouteRow,
    RoutingRow,
    TrunkRow,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import PreferenceRow, SettingRow


class Kind(StrEnum):
    """What is pushed, in the order in which it is created; deleted in reverse."""

    SIP_DOMAIN = "sip_domain"
    SUBSCRIBER = "subscriber"
    ALIAS = "alias"
    GROUP_ADDRESS = "group_address"
    TRUSTED_HOST = "trusted_host"
    GATEWAY = "gateway"
    POOL_SERVER = "pool_server"
    TRUNK = "trunk"
    ROUTE = "route"
    DIAL_RULE = "dial_rule"
    SETTING = "setting"
    PREFERENCE = "preference"

    @property
    def label(self) -> str:
        """The word for one row of it."""
        return _LABELS[self]

    @property
    def plural(self) -> str:
        """The word for several."""
        return f"{self.label}es" if self.label.endswith("s") else f"{self.label}s"


_LABELS = {
    Kind.SIP_DOMAIN: "SIP domain",
    Kind.SUBSCRIBER: "account",
    Kind.ALIAS: "number",
    Kind.GROUP_ADDRESS: "group address",
    Kind.TRUSTED_HOST: "trusted host",
    Kind.GATEWAY: "gateway",
    Kind.POOL_SERVER: "other pool's server",
    Kind.TRUNK: "trunk registration",
    Kind.ROUTE: "route",
    Kind.DIAL_RULE: "dial rule",
    Kind.SETTING: "setting",
    Kind.PREFERENCE: "account setting",
}


@dataclass(frozen=True, slots=True)
class SipDomainRow:
    """A domain that the servers answer for. Key: the domain."""

    domain: str

    @property
    def key(self) -> str:
        return self.domain


_NOTHING_FURTHER = (None,) * 5


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """Credentials of one address-of-record.

    `ha1` None means: known, but nobody can register. `ha1b`, `password` and the digests by another
    algorithm than that of `ha1` are further credentials that some servers verify by; None means
    that nobody can register by them. `auth_user` and `realm` are those that the digests were made
    for; empty where a store does not keep them. Key: user@domain.
    """

    user: str
    domain: str
    ha1: str | None = field(repr=False)
    ha1b: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ha1_sha256: str | None = field(default=None, repr=False)
    auth_user: str = field(default="", compare=False)
    realm: str = field(default="", compare=False)
    ha1_md5: str | None = field(default=None, repr=False)
    ha1_sha512t256: str | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        return f"{self.user}@{self.domain}"

    @property
    def tells_further(self) -> bool:
        """Whether it says anything of credentials beside `ha1`."""
        told = (self.ha1b, self.password, self.ha1_sha256, self.ha1_md5, self.ha1_sha512t256)
        return told != _NOTHING_FURTHER


@dataclass(frozen=True, slots=True)
class AliasRow:
    """A further address (a number) of an address-of-record. Key: alias_user@alias_domain."""

    alias_user: str
    alias_domain: str
    user: str
    domain: str

    @property
    def key(self) -> str:
        return f"{self.alias_user}@{self.alias_domain}"


Row = (
    SipDomainRow
    | SubscriberRow
    | AliasRow
    | GroupAddressRow
    | RoutingRow
    | SettingRow
    | PreferenceRow
)

ROW_CLASSES: Mapping[Kind, type[Row]] = {
    Kind.SIP_DOMAIN: SipDomainRow,
    Kind.SUBSCRIBER: SubscriberRow,
    Kind.ALIAS: AliasRow,
    Kind.GROUP_ADDRESS: GroupAddressRow,
    Kind.TRUSTED_HOST: TrustedHostRow,
    Kind.GATEWAY: GatewayRow,
    Kind.POOL_SERVER: PoolServerRow,
    Kind.TRUNK: TrunkRow,
    Kind.ROUTE: RouteRow,
    Kind.DIAL_RULE: DialRuleRow,
    Kind.SETTING: SettingRow,
    Kind.PREFERENCE: PreferenceRow,
}


@dataclass(frozen=True, slots=True)
class RowChange:
    """What to do with one key: `after` None deletes; otherwise the row is created or replaced."""

    kind: Kind
    key: str
    after: Row | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change.

    `error` holds the server's own words, empty when it was accepted.
    """

    kind: Kind
    key: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class ForeignAccount:
    """An account found in an existing store, for the Observe report.

    `digest_set` is whether it has an HA1; `clear_text` whether it has a password in clear text.
    """

    user: str
    domain: str
    display_name: str = ""
    mail: str = ""
    digest_set: bool = True
    clear_text: bool = False


# Of how many characters of its user part's end the place of a key is made (StoreDriver.digests).
ENDING = 2

KindSupport = Literal["pushed", "served", "unsupported"]


class StoreDriver(Protocol):
    """Rows of one configuration store. Every method raises Unreachable or Rejected, nothing else.

    Of those KindUnavailable says that the store cannot hold one kind as it is now.

    Kinds in `reload_kinds` take effect only after ServerDriver.activate; the others at once.
    """

    kinds: Mapping[Kind, KindSupport]
    reload_kinds: frozenset[Kind]
    capacity: int
    """How many accounts its servers can do with."""

    def __init__(self, store: StoreRecord) -> None: ...

    def check(self) -> list[str]:
        """Connect and verify schema versions and rights; returns what was found, line by line.

        A line that begins with "Read only" says that the account given has no right to write.
        """
        ...

    def read(self, kind: Kind, keys: Collection[str] | None = None) -> Iterator[Row]:
        """Existing rows of `kind`: those of `keys`, or all as a stream with bounded memory."""
        ...

    def differing(self, kind: Kind, rows: Sequence[Row]) -> dict[str, Row | None]:
        """What stands at the keys of those `rows` that `apply` would write; None for nothing.

        The store compares: of rows that are as they should be, nothing is in the answer.
        """
        ...

    def digests(self, kind: Kind) -> Mapping[str, str] | None:
        """A hash of all that stands there, by the last ENDING characters of the keys' user parts.

        Over every column that `differing` compares, of rows of others too. Where two answers have
        the same hash, the same rows stood there. None where the store cannot say.
        """
        ...

    def apply(self, changes: Sequence[RowChange]) -> list[Outcome]:
        """Make the rows so, in bulk and idempotently; deletes come first.

        One outcome per change, in their order.
        """
        ...

    def registrations(self, aors: Collection[str] | None = None) -> Iterator[Registration] | None:
        """Live contacts from the store, each with its key; None where it does not hold them."""
        ...

    def presence(self, aors: Collection[str]) -> list[Presence] | None:
        """What clients of `aors` published and what still holds, or None where nothing is kept."""
        ...

    def accounts(self) -> Iterator[ForeignAccount]:
        """Every account of the store, foreign ones included, for Observe."""
        ...

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        ...


class ServerDriver(Protocol):
    """Control of one SIP server. Every method raises Unreachable or Rejected, nothing else."""

    def __init__(self, server: ServerRecord) -> None: ...

    def activate(self, kinds: Iterable[Kind]) -> None:
        """Reload what `kinds` need; returns after the server confirmed."""
        ...

    def health(self) -> ServerHealth:
        """Ask the server how it is."""
        ...

    def end_registration(self, aor: str, contact: str = "") -> bool:
        """Drop every contact of `aor`, or the one given; False when there was none."""
        ...

    def registrations_of(self, aor: str) -> list[Registration]:
        """Live contacts of one address-of-record, asked of the server itself."""
        ...

    def reload_certificate(self) -> None:
        """Read certificate and key of the TLS port anew; what is broken is Rejected."""
        ...

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """What a SIP server is answered that asks for rows."""

    media_type: str
    body: str = field(repr=False)


class ServingStore(StoreDriver, Protocol):
    """A store whose servers can ask the console for its rows instead of reading them."""

    def answer(self, path: str, asked: Mapping[str, str]) -> Served | None:
        """The answer to a question at `path`; None where nothing is asked for there."""
        ...


@dataclass(frozen=True, slots=True)
class Driver:
    """One family of SIP servers: the databases and the digests that it can be set up with.

    `settings` are the keys of those settings of the catalogue that its rows hold. `schemes` are
    those that a control address may begin with, with their ports. Where it `only_asks`, its servers
    read no database of the console's and are always served.
    """

    name: str
    label: str
    store: type[StoreDriver]
    server: type[ServerDriver]
    dialects: tuple[Dialect, ...]
    digests: tuple[Digests, ...]
    serving: type[ServingStore] | None = None
    settings: frozenset[str] = frozenset()
    schemes: Mapping[str, int] = field(default_factory=lambda: {"http": 80, "https": 443})
    only_asks: bool = False

    @property
    def unsupported(self) -> frozenset[Kind]:
        """Kinds that its servers have no place for."""
        return frozenset(kind for kind in Kind if self.store.kinds[kind] == "unsupported")
