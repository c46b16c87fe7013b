"""The certificate that a server shows in a TLS handshake: what it says, and why it is refused."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

# X509_V_ERR_* of OpenSSL: nobody trusted issued it; it is for another name or address.
_NO_ISSUER, _OTHER_HOST = (18, 19, 20, 21), (62, 64)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's certificate says: names are its DNS and IP subject alternative names."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative once it has."""
        return (self.not_after - now).days


@dataclass(frozen=True, slots=True)
class Inspection:
    """The certificate, and why it is not trusted (empty: it is)."""

    certificate: Certificate
    refusal: str


def read_certificate(encoded: bytes) -> Certificate:
    """What a certificate in DER says."""
    certificate = x509.load_der_x509_certificate(encoded)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        names: tuple[str, ...] = ()
    else:
        held = extension.value
        addresses = (str(address) for address in held.get_values_for_type(x509.IPAddress))
        names = (*held.get_values_for_type(x509.DNSName), *addresses)
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        names=names,
        issuer=certificate.issuer.rfc4514_string(),
        not_after=certificate.not_valid_after_utc.astimezone(UTC),
    )


def why_refused(error: ssl.SSLCertVerificationError, host: str) -> str:
    """Why OpenSSL refused a certificate of `host`, in plain words."""
    said = error.verify_message.rstrip(".")
    if error.verify_code in _NO_ISSUER:
        return f"no trusted authority issued it ({said})"
    if error.verify_code in _OTHER_HOST:
        return f"it is not made out for {host}"
    return said
