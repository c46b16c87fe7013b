"""Where a directory listens: its addresses, read strictly and never downgraded."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from provisioning.core.errors import InvalidInput
from provisioning.core.records import SourceRecord, TlsMode

_SCHEMES: dict[TlsMode, str] = {"ldaps": "ldaps", "starttls": "ldap", "none": "ldap"}
_PORTS = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One directory server: host (name or address, without brackets), port, how TLS begins.

    `addresses`, where given, are the only ones that it is connected to.
    """

    host: str
    port: int
    tls: TlsMode
    addresses: tuple[str, ...] | None = None

    @property
    def uri(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_SCHEMES[self.tls]}://{host}:{self.port}"

    def dial(self, timeout: float) -> socket.socket:
        """A connection to the first address that answers; raises OSError when none does."""
        if self.addresses is None:
            return socket.create_connection((self.host, self.port), timeout)
        failure: OSError = socket.gaierror("not resolved")
        for address in self.addresses:
            try:
                return socket.create_connection((address, self.port), timeout)
            except OSError as error:
                failure = error
        raise failure


def endpoints(source: SourceRecord) -> list[Endpoint]:
    """The source's servers in their order; raises InvalidInput for an unusable address."""
    if not source.uris:
        raise InvalidInput(
            f"“{source.name}” has no address. Enter one such as ldaps://dc1.example."
        )
    found = [_endpoint(uri, source.tls) for uri in source.uris]
    if source.addresses is None:
        return found
    return [replace(each, addresses=source.addresses.get(each.host, ())) for each in found]


def _endpoint(uri: str, tls: TlsMode) -> Endpoint:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"{uri} is not an address: {error}.") from error
    if not host or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidInput(f"{uri} is not an address such as ldaps://dc1.example:636.")
    if parts.scheme != _SCHEMES[tls]:
        raise InvalidInput(
            f"{uri} does not fit the chosen encryption ({tls}), which needs "
            f"{_SCHEMES[tls]}://{host}. Change the address or the encryption."
        )
    return Endpoint(host, port or _PORTS[parts.scheme], tls)
