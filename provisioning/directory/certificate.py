"""The certificate that a directory server shows, and whether it can be trusted.

Every TLS connection is tried here first, because libldap says no more than "can't contact LDAP
server" of a certificate it refuses, and waits without limit for a server that stops in the middle
of the handshake.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import closing

from provisioning.core.certificate import Certificate, Inspection, read_certificate, why_refused
from provisioning.core.errors import InvalidInput, Rejected, Unreachable
from provisioning.core.records import SourceRecord
from provisioning.directory.endpoint import Endpoint
from provisioning.directory.memory_file import memory_file

# RFC 4511 section 4.14: an ExtendedRequest with message id 1 and the object identifier of StartTLS.
_OID = b"1.3.6.1.4.1.1466.20037"
_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + _OID
_EXTENDED_RESPONSE = b"\x78"
_SUCCESS = b"\x0a\x01\x00"


class Untrusted(Rejected):
    """The server's certificate is not trusted; nothing was sent to it."""


def trust(ca_pem: str, identity: str = "") -> ssl.SSLContext:
    """TLS 1.2 or later, a certificate required and its name checked.

    An empty `ca_pem` means the system's authorities; `identity` is the client's own certificate and
    private key, in PEM. Raises InvalidInput for a text that is not what it should be.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except ssl.SSLError as error:
        raise InvalidInput(
            "The certificate authority is not a PEM text (-----BEGIN CERTIFICATE-----). "
            "Paste or upload the authority's certificate again."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if identity:
        with memory_file(identity.encode()) as path:
            try:
                context.load_cert_chain(path)
            except ssl.SSLError as error:
                raise InvalidInput(
                    "The client certificate and its private key do not belong together. "
                    "Upload both again."
                ) from error
    return context


def identity_of(source: SourceRecord) -> str:
    """The certificate and private key with which `source` shows who it is; empty without any."""
    if source.bind_method != "external":
        return ""
    return f"{source.client_certificate}\n{source.bind_secret}\n"


def require_trust(
    endpoint: Endpoint, ca_pem: str, timeout: float, identity: str = ""
) -> Certificate:
    """The certificate of a trusted server; raises Untrusted, and what `inspect` raises."""
    inspection = inspect(endpoint, ca_pem, timeout, identity)
    if inspection.refusal:
        raise Untrusted(
            f"The certificate of {endpoint.uri} is not trusted: {inspection.refusal}. "
            "Nothing was sent and nothing was changed."
        )
    return inspection.certificate


def inspect(endpoint: Endpoint, ca_pem: str, timeout: float, identity: str = "") -> Inspection:
    """Shake hands without signing in; raises Unreachable, or Rejected where TLS is not offered."""
    context = trust(ca_pem, identity)
    try:
        return Inspection(_shake_hands(endpoint, context, timeout), "")
    except ssl.SSLCertVerificationError as error:
        refusal = why_refused(error, endpoint.host)
    # The second handshake only looks at what was refused; nothing is sent over it.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Inspection(_shake_hands(endpoint, context, timeout), refusal)


def _shake_hands(endpoint: Endpoint, context: ssl.SSLContext, timeout: float) -> Certificate:
    try:
        with closing(endpoint.dial(timeout)) as plain:
            if endpoint.tls == "starttls":
                _start_tls(plain, endpoint)
            with context.wrap_socket(plain, server_hostname=endpoint.host) as secured:
                encoded = secured.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise Rejected(
            f"{endpoint.uri} does not speak TLS 1.2 or later ({error.reason or error}). "
            "Check the port and the chosen encryption."
        ) from error
    except OSError as error:
        raise unreachable(endpoint, error) from error
    return read_certificate(encoded or b"")


def unreachable(endpoint: Endpoint, error: OSError) -> Unreachable:
    """Why no connection came about, in the words of an administrator."""
    if isinstance(error, socket.gaierror):
        why, advice = "the name is not known", "Check its spelling and this machine's name servers"
    elif isinstance(error, TimeoutError):
        why, advice = "no answer in time", "Check that it runs and that no firewall is in between"
    elif isinstance(error, ConnectionRefusedError):
        why, advice = "nobody listens there", "Check the port and that the directory runs"
    else:
        why, advice = error.strerror or "the connection broke", "Check the network in between"
    return Unreachable(f"{endpoint.uri} cannot be reached: {why}. {advice}. Nothing was changed.")


def _start_tls(plain: socket.socket, endpoint: Endpoint) -> None:
    plain.sendall(_START_TLS)
    answer = b""
    while (body := _body(answer)) is None:
        received = plain.recv(4096)
        if not received:
            raise ConnectionResetError(0, "the server closed the connection")
        answer += received
    # The message id, then the response; its result code comes first in it.
    response = _body(body[3:]) if body[3:4] == _EXTENDED_RESPONSE else None
    if response is None or not response.startswith(_SUCCESS):
        raise Rejected(
            f"{endpoint.uri} does not offer StartTLS. Use ldaps://, or let the directory offer it."
        )


def _body(element: bytes) -> bytes | None:
    """The content of a BER element; None until all of it is there."""
    if len(element) < 2:
        return None
    size = element[1] & 0x7F if element[1] & 0x80 else 0
    length = int.from_bytes(element[2 : 2 + size], "big") if size else element[1]
    body = element[2 + size : 2 + size + length]
    return body if len(element) >= 2 + size and len(body) == length else None
