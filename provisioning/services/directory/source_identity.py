"""Who a source signs in as: what each way of signing in needs, and what is refused."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from provisioning.core.errors import InvalidInput
from provisioning.directory.kerberos import KEYTAB, read_keytab
from provisioning.models import DirectorySource

Faults = dict[str, str]
Method = DirectorySource.BindMethod
# What an administrator calls the secret of each way of signing in.
SECRETS = {Method.SIMPLE: "password", Method.GSSAPI: "keytab", Method.EXTERNAL: "private key"}

_MISSING = {
    Method.SIMPLE: "Enter the password of the bind account.",
    Method.GSSAPI: "Upload the keytab of the bind account.",
    Method.EXTERNAL: "Upload the private key of the client certificate.",
}


def find_identity_faults(
    source: DirectorySource, before: DirectorySource | None, secret: str | None
) -> Faults:
    """Fields of `source` that its way of signing in cannot use; `secret` None keeps the stored."""
    faults: Faults = {}
    if source.bind_method not in SECRETS:
        return {"bind_method": f"One of {', '.join(SECRETS)}."}
    if secret == "" or (before is None and secret is None):
        faults["secret"] = _MISSING[Method(source.bind_method)]
    elif secret is not None and "\0" in secret:
        faults["secret"] = "A password holds no NUL."  # noqa: S105 - a message
    if source.bind_method == Method.SIMPLE:
        if not source.bind_dn:
            faults["bind_dn"] = "Reading as nobody shows an incomplete directory. Enter an account."
        return faults
    if source.tls == DirectorySource.Tls.NONE:
        faults["tls"] = "A keytab or a client certificate needs LDAPS or StartTLS."
    if source.bind_method == Method.GSSAPI:
        _check_keytab(source, secret, faults)
    else:
        _check_certificate(source, secret, faults)
    return faults


def secret_text(content: bytes) -> str:
    """What a file with a secret holds, as it is kept: text as it is, a binary keytab in base64.

    Raises InvalidInput for any other file.
    """
    if content.startswith(KEYTAB):
        return base64.b64encode(content).decode()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("The file is neither a keytab nor a PEM text.") from error


def _check_keytab(source: DirectorySource, secret: str | None, faults: Faults) -> None:
    name, _, realm = source.bind_dn.partition("@")
    if not (name and realm):
        faults["bind_dn"] = (
            "Enter the principal of the keytab, such as svc-rtcadmin@EXAMPLE.COM; realms are "
            "written in capitals."
        )
    if secret:
        try:
            read_keytab(secret)
        except InvalidInput as error:
            faults["secret"] = error.message


def _check_certificate(source: DirectorySource, secret: str | None, faults: Faults) -> None:
    try:
        certificate = x509.load_pem_x509_certificates(source.client_certificate.encode())[0]
    except ValueError:
        faults["client_certificate"] = (
            "Paste the client certificate, the text that begins with “-----BEGIN CERTIFICATE-----”."
        )
        return
    if secret and not _belongs(certificate, secret, faults):
        faults.setdefault("secret", "This private key belongs to another certificate.")


def _belongs(certificate: x509.Certificate, key: str, faults: Faults) -> bool:
    try:
        private = load_pem_private_key(key.encode(), None)
    except TypeError:
        faults["secret"] = "Remove the key's passphrase (openssl pkey); it is kept encrypted here."  # noqa: S105
        return False
    except (ValueError, UnsupportedAlgorithm):
        faults["secret"] = "That is not a private key in PEM (-----BEGIN PRIVATE KEY-----)."  # noqa: S105
        return False
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ours = private.public_key().public_bytes(*form)
    return ours == certificate.public_key().public_bytes(*form)
