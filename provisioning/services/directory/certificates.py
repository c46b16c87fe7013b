"""Certificates that administrators upload: checked before they are kept, never named by a path."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.core.errors import InvalidInput

_LONGEST = 200_000


def certificate_text(content: bytes) -> str:
    """An uploaded certificate as PEM, whether it came as PEM or as DER (Windows: .cer).

    Raises InvalidInput for anything else.
    """
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        pass
    try:
        certificate = x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise InvalidInput(
            "The file is no certificate. Export it as “Base-64 encoded X.509” or DER."
        ) from error
    return certificate.public_bytes(Encoding.PEM).decode()


def check_authorities(pem: str, what: str) -> str:
    """`pem` tidied; raises InvalidInput unless it is empty or holds only certificates."""
    text = pem.strip().replace("\r\n", "\n")
    if not text:
        return ""
    if "PRIVATE KEY" in text:
        raise InvalidInput(
            f"{what}: that is a private key. Give only certificates; nothing was kept."
        )
    if len(text) > _LONGEST:
        raise InvalidInput(f"{what}: give only the authorities that are needed, at most 200 kB.")
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise InvalidInput(
            f"{what}: no certificate can be read from it. Paste the file that begins with "
            "“-----BEGIN CERTIFICATE-----”."
        ) from error
    return text + "\n"
