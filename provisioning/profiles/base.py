"""The contract of a client profile renderer: plain values in, one document out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from provisioning.core.records import Listener

MediaEncryption = Literal["none", "optional", "required"]
NatTraversal = Literal["none", "stun", "ice"]


class Session(StrEnum):
    """Session types of the RTC Client API: PC-PC, PC-phone, phone-phone (third party), messages."""

    PC_TO_PC = "pc2pc"
    PC_TO_PHONE = "pc2ph"
    PHONE_TO_PHONE = "ph2ph"
    MESSAGE = "im"


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """What a ClientProfile and the policies say for everybody who gets them.

    `register_expires` in seconds; `listeners` in order of preference; `gateway` is the PSTN
    gateway's proxy. `stun_server` is host:port, there where `nat_traversal` needs it; `conference`
    a SIP URI and `file_service` a web address, empty for none. With `voicemail` the account's own
    address leads to its mailbox.
    """

    key: str
    name: str
    listeners: tuple[Listener, ...]
    gateway: Listener | None
    sessions: frozenset[Session]
    media_encryption: MediaEncryption
    register_expires: int
    ca_pem: str = ""
    provider: str = ""
    homepage: str = ""
    helpdesk: str = ""
    expires_at: datetime | None = None
    video: bool = True
    publishes_presence: bool = False
    stores_passwords: bool = True
    nat_traversal: NatTraversal = "none"
    stun_server: str = ""
    conference: str = ""
    file_service: str = ""
    voicemail: bool = False


@dataclass(frozen=True, slots=True)
class ProfileAccount:
    """The account that a document is for.

    `secret` (clear text) and `ha1` are given only when the document shall hold them; `algorithm` is
    the digest algorithm of `ha1` and of the servers.
    """

    user: str
    domain: str
    realm: str
    auth_user: str
    display_name: str
    number: str = ""
    secret: str | None = field(default=None, repr=False)
    ha1: str | None = field(default=None, repr=False)
    algorithm: str = "MD5"


@dataclass(frozen=True, slots=True)
class File:
    """One rendered file: relative name, media type, content."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class Renderer(Protocol):
    """One client profile format.

    `needs_secret` is whether a document without the clear text is of no use; `holds_secret` whether
    documents hold a clear text or HA1 at all when one is given; `takes_ha1` whether an HA1 alone
    makes a complete document. `policies` are the keys of the settings that documents hold.
    """

    name: str
    label: str
    needs_secret: bool
    holds_secret: bool
    takes_ha1: bool
    policies: frozenset[str]

    def render(self, settings: ProfileSettings, account: ProfileAccount) -> list[File]:
        """The document's files; the first is the one a provisioning link serves.

        Raises InvalidInput when a value cannot be written safely in this format (line breaks,
        quotes), or when the settings break a rule of the format, naming the value and what to do.
        """
        ...
