"""The certificate at a SIP server's TLS port, seen as a client sees it; nothing is sent there."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from provisioning.core.certificate import Certificate, Inspection, read_certificate, why_refused
from provisioning.core.errors import Rejected, Unreachable


def inspect_port(
    *, host: str, port: int, addresses: Sequence[str], ca_pem: str, timeout: float
) -> Inspection:
    """Shake hands at the first of `addresses` that answers, as a client that wants `host`.

    An empty `ca_pem` means the system's authorities. Raises Unreachable, or Rejected where the port
    does not speak TLS 1.2 or later.
    """
    context = ssl.create_default_context(cadata=ca_pem or None)
    try:
        return Inspection(_shake_hands(host, port, addresses, context, timeout), "")
    except ssl.SSLCertVerificationError as error:
        refusal = why_refused(error, host)
    # Looks once more at what was refused, whoever issued it.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Inspection(_shake_hands(host, port, addresses, context, timeout), refusal)


def _shake_hands(
    host: str, port: int, addresses: Sequence[str], context: ssl.SSLContext, timeout: float
) -> Certificate:
    try:
        with (
            _dial(addresses, port, timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return read_certificate(secured.getpeercert(binary_form=True) or b"")
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise Rejected(
            f"{host}:{port} does not speak TLS 1.2 or later ({error.reason or error})."
        ) from error
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or error
        raise Unreachable(f"{host}:{port} cannot be reached: {why}.") from error


def _dial(addresses: Sequence[str], port: int, timeout: float) -> socket.socket:
    failure: OSError = socket.gaierror("not resolved")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure
