"""What may be read of a directory's attributes, and how their values become text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression, UnreadableExpression, compile_expression
from provisioning.core.text import clean_line
from provisioning.directory.guid import canonical_guid
from provisioning.directory.sid import sid_text

# Passwords and keys of OpenLDAP, 389 Directory Server, FreeIPA, Active Directory, LAPS, BitLocker,
# Kerberos, Samba.
_SECRET = frozenset({
    "dbcspwd", "ntpwdhistory", "lmpwdhistory", "pwdhistory", "sambapwdhistory",
    "supplementalcredentials", "trustauthincoming", "trustauthoutgoing", "currentvalue",
    "priorvalue", "pekkeychangeinterval", "mslaps-encryptedpasswordhistory",
    "msfve-keypackage", "krbprincipalkey", "krbextradata", "krbmkey", "ipanthash", "ipatokenotpkey",
    "ipatokenhotpcounter", "msds-keycredentiallink", "msds-managedpasswordid",
})  # fmt: skip
_NAMED_SECRET = re.compile("passw(?:or)?d|passphrase|pwd$|secret|private-?key|credential|otpkey")
# They are named after passwords and tell only when something happened to one.
_NO_SECRET = frozenset({
    "passwordexpirationtime", "passwordexpwarned", "passwordretrycount", "passwordallowchangetime",
    "passwordgraceusertime", "retrycountresettime", "krbpasswordexpiration", "passwordpolicydn",
    "passwordpolicysubentry", "msds-userpasswordexpirytimecomputed", "msds-user-password-expired",
    "msds-userpasswordexpired", "msds-userpasswordnotrequired", "msds-userdontexpirepassword",
})  # fmt: skip
_OPAQUE = frozenset({
    "thumbnailphoto", "thumbnaillogo", "jpegphoto", "photo", "audio", "usercertificate",
    "usersmimecertificate", "userpkcs12", "msexchsafesendershash", "msexchblockedsendershash",
    "logonhours", "userparameters",
})  # fmt: skip
MAX_SHOWN = 200


def is_secret(name: str) -> bool:
    """Whether an attribute may hold passwords or keys: such are neither read nor shown."""
    bare = name.lower().partition(";")[0]
    return bare not in _NO_SECRET and (bare in _SECRET or bool(_NAMED_SECRET.search(bare)))


def compile_reading(text: str) -> Expression:
    """Compile an expression over a directory's attributes; raises InvalidInput for passwords.

    A bind account may be allowed to see more than whoever sets the mapping is. Pictures and
    certificates are refused too: they are no text.
    """
    expression = compile_expression(text)
    for name in sorted(expression.names):
        at = max(0, text.lower().find(name))
        if is_secret(name):
            raise UnreadableExpression(
                f"“{name}” holds passwords or keys, which are never read.", at
            )
        if name.partition(";")[0] in _OPAQUE:
            raise UnreadableExpression(f"“{name}” is binary, so it cannot be read as text.", at)
    return expression


def _guid_text(value: bytes) -> str:
    try:
        return canonical_guid("objectguid", [value])
    except ValueError as error:
        raise InvalidInput(f"A GUID {error}.") from error


# Binary values with one usual text; every other value is UTF-8 (RFC 4517).
BINARY: dict[str, Callable[[bytes], str]] = {
    "objectguid": _guid_text,
    "ms-ds-consistencyguid": _guid_text,
    "msexchmailboxguid": _guid_text,
    "objectsid": sid_text,
    "sidhistory": sid_text,
    "msexchmasteraccountsid": sid_text,
}


def show_values(name: str, values: Sequence[bytes]) -> list[str]:
    """The values of an attribute for somebody to read: text, or how many bytes they are.

    Empty for attributes that may hold secrets.
    """
    return [] if is_secret(name) else [_show(name.lower(), value) for value in values]


def _show(name: str, value: bytes) -> str:
    try:
        text = BINARY[name](value) if name in BINARY else value.decode()
        if name not in _OPAQUE and "\0" not in text:
            shown = clean_line(text)
            return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
    except (UnicodeDecodeError, InvalidInput):
        pass
    return f"binary, {len(value):,} bytes"
