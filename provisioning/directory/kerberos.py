"""Kerberos tickets from a keytab, for the sign-in of one thread and nobody else.

Realms and their key distribution centres are found as on every machine: by DNS or krb5.conf. The
environment of the process is left alone, because it belongs to all threads: keytab and cache of
tickets are named to the library call by call, and the cache that libldap looks into is a setting of
the thread (MIT Kerberos, gss_krb5_ccache_name).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gssapi
from gssapi.raw import GSSError, krb5_ccache_name

from provisioning.core.errors import InvalidInput, ProvisioningError, Rejected, Unreachable
from provisioning.core.records import SourceRecord
from provisioning.core.text import clean_line
from provisioning.directory.memory_file import memory_file

# The file format of MIT Kerberos, version 2: keytab(5), "keytab file format".
KEYTAB = b"\x05\x02"
# What Kerberos says → what an administrator does. The words are those of MIT krb5's error table.
_ADVICE = (
    ("clock skew", "The clocks differ by more than Kerberos allows. Let both keep time by NTP"),
    ("server not found in kerberos", "The realm knows no service ldap/ with this host name. Enter "
     "the address by the name that the server has in its realm"),
    ("keytab contains no suitable keys", "The keytab has no key of this principal. Enter the "
     "principal as klist -k shows it, or export the keytab again"),
    ("client not found", "The realm does not know this principal. Check its spelling and case"),
    ("preauthentication failed", "The account's password is newer than the keytab. Export it "
     "again"),
    ("password incorrect", "The account's password is newer than the keytab. Export it again"),
    ("credentials have been revoked", "The account is disabled or locked. Enable it there"),
    ("password has expired", "The account's password has expired. Renew it and export the keytab"),
)  # fmt: skip
_AWAY = ("cannot contact any kdc", "cannot find kdc", "cannot resolve", "resource temporarily")


@contextmanager
def ticket(source: SourceRecord) -> Iterator[Any]:
    """The credentials of `source.bind_dn`, fresh from its keytab, for this thread.

    Raises InvalidInput for what is no keytab, Rejected in Kerberos' words, and Unreachable while no
    key distribution centre answers. The cache of tickets is in a private folder, gone at the end.
    """
    keytab = read_keytab(source.bind_secret)
    with TemporaryDirectory(prefix="rtcadmin-") as folder, memory_file(keytab) as path:
        cache = f"FILE:{Path(folder) / 'tickets'}"
        krb5_ccache_name(cache.encode())
        try:
            yield _acquire(source, path, cache)
        finally:
            krb5_ccache_name(None)


def read_keytab(text: str) -> bytes:
    """The keytab that `text` holds in base64; raises InvalidInput for anything else."""
    try:
        keytab = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        keytab = b""
    if not keytab.startswith(KEYTAB):
        raise InvalidInput(
            "That is not a keytab. Upload the file that ktpass, ktutil or samba-tool wrote."
        )
    return keytab


def refused(source: SourceRecord, said: str) -> ProvisioningError:
    """What an administrator does about what Kerberos said."""
    words = clean_line(said)[:300].rstrip(".")
    lower = words.lower()
    if any(text in lower for text in _AWAY):
        return Unreachable(
            f"No key distribution centre answers for {source.bind_dn} (Kerberos said: {words}). "
            "Nothing was changed. Check that this machine's DNS or /etc/krb5.conf knows the realm, "
            "and that port 88 is open."
        )
    advice = next((do for text, do in _ADVICE if text in lower), "Check principal and keytab")
    return Rejected(
        f"Kerberos refused {source.bind_dn} (it said: {words}). Nothing was changed. {advice}."
    )


def _acquire(source: SourceRecord, keytab: str, cache: str) -> Any:
    store: dict[bytes | str, bytes | str] = {"client_keytab": f"FILE:{keytab}", "ccache": cache}
    try:
        name = gssapi.Name(source.bind_dn, gssapi.NameType.kerberos_principal)
        credentials = gssapi.Credentials(name=name, usage="initiate", store=store)
        # Only this asks the key distribution centre.
        credentials.inquire(lifetime=True)
    except GSSError as error:
        raise refused(source, words_of(error)) from error
    return credentials


def words_of(error: GSSError) -> str:
    """The innermost words: those of Kerberos below those of GSSAPI."""
    try:
        return str(error.get_all_statuses(error.min_code, False)[0])
    except (GSSError, IndexError):
        return type(error).__name__
