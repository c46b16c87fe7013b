"""Certificates that administrators upload: checked before they are kept, never named by a path."""

from __future__ import annotations

from cryptography import x509

from provisioning.core.errors import InvalidInput

_LONGEST = 200_000


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
