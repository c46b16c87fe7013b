"""What a directory's refusal means, and what an administrator can do about it."""

from __future__ import annotations

import re

from provisioning.core.errors import (
    IncompleteRead,
    InvalidInput,
    ProvisioningError,
    Rejected,
    Unreachable,
)
from provisioning.core.records import BindMethod, SourceRecord
from provisioning.core.text import clean_line

# Result codes of RFC 4511 appendix A; negative codes are libldap's own.
OPERATIONS_ERROR = 1
PROTOCOL_ERROR = 2
TIME_LIMIT = 3
SIZE_LIMIT = 4
AUTH_METHOD_NOT_SUPPORTED = 7
STRONGER_AUTH_REQUIRED = 8
REFERRAL = 10
ADMIN_LIMIT = 11
UNAVAILABLE_CRITICAL_EXTENSION = 12
CONFIDENTIALITY_REQUIRED = 13
NO_SUCH_OBJECT = 32
INVALID_DN = 34
INAPPROPRIATE_AUTH = 48
INVALID_CREDENTIALS = 49
INSUFFICIENT_ACCESS = 50
BUSY = 51
UNAVAILABLE = 52
UNWILLING = 53
TIMED_OUT = -5
BAD_FILTER = -7

# Active Directory's sub-codes in "AcceptSecurityContext error, data 52e": Windows system error
# codes 1326 and neighbours, in hexadecimal.
_ACTIVE_DIRECTORY = {
    "525": "there is no such account",
    "52e": "the password is wrong",
    "530": "the account may not sign in at this hour",
    "531": "the account may not sign in from this machine",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
_DATA = re.compile(r"\bdata ([0-9a-f]{3})\b")

_BINDS: dict[int, str] = {
    STRONGER_AUTH_REQUIRED: "it wants TLS first. Choose LDAPS or StartTLS",
    CONFIDENTIALITY_REQUIRED: "it wants TLS first. Choose LDAPS or StartTLS",
    NO_SUCH_OBJECT: "there is no such account. Check the bind DN",
    INVALID_DN: "the bind DN is not a DN. Enter one such as cn=sync,dc=example,dc=com",
    INAPPROPRIATE_AUTH: "the account has no password to sign in with. Set one there",
    INVALID_CREDENTIALS: "the bind DN or its password is wrong. Enter the password again",
    UNWILLING: "it does not let this account sign in. Look into its log",
}
# What an administrator enters for each way of signing in: whom, and what proves it.
_IDENTITIES: dict[BindMethod, tuple[str, str]] = {
    "simple": ("bind DN", "password"),
    "gssapi": ("principal", "keytab"),
    "external": ("client certificate", "private key"),
}
_EXTERNAL: dict[int, str] = {
    AUTH_METHOD_NOT_SUPPORTED: "it does not offer SASL EXTERNAL. Let it ask clients for a "
    "certificate (OpenLDAP: TLSVerifyClient try or demand)",
    INAPPROPRIATE_AUTH: "it has not accepted the client certificate. Check that it trusts the "
    "authority that issued it (OpenLDAP: TLSVerifyClient, TLSCACertificateFile)",
    INVALID_CREDENTIALS: "it knows no account for the client certificate (OpenLDAP: authz-regexp; "
    "389 Directory Server: certmap.conf)",
}
_GSSAPI: dict[int, str] = {
    AUTH_METHOD_NOT_SUPPORTED: "it does not offer SASL GSSAPI. Let it have a keytab of its own, or "
    "sign in with a password",
    INVALID_CREDENTIALS: "it does not accept the ticket. Check principal, keytab and the clocks of "
    "both machines",
}
_LIMITS: dict[int, str] = {
    TIME_LIMIT: "its time limit was reached",
    SIZE_LIMIT: "its size limit was reached",
    ADMIN_LIMIT: "an administrative limit was reached",
}


def require_identity(source: SourceRecord) -> None:
    """Refuses to sign in as nobody: RFC 4513 section 5.1.2 lets that "succeed", and show little."""
    account, secret = _IDENTITIES[source.bind_method]
    named = source.client_certificate if source.bind_method == "external" else source.bind_dn
    if not (named and source.bind_secret):
        raise Rejected(
            f"“{source.name}” has no {account} or no {secret}, and reading as nobody would show "
            "an incomplete directory. Nothing was changed. Enter both."
        )
    if source.bind_method != "simple" and source.tls == "none":
        raise Rejected(
            f"“{source.name}” signs in by {secret}, which needs an encrypted connection. Nothing "
            "was changed. Choose LDAPS or StartTLS."
        )


def identity_of(source: SourceRecord) -> str:
    """Who signs in, in words."""
    return "the client certificate" if source.bind_method == "external" else source.bind_dn


def said(message: str) -> str:
    """The server's own words as the end of a sentence; empty when it said nothing."""
    words = clean_line(message)[:200].rstrip(".")
    return f" (the directory said: {words})" if words else ""


def bind_refused(source: SourceRecord, code: int, message: str) -> ProvisioningError:
    """Why signing in failed; Unreachable only where the same may work a moment later."""
    if code in (BUSY, UNAVAILABLE):
        return Unreachable(
            f"The directory “{source.name}” is busy{said(message)}. Nothing was changed; "
            "it is tried again."
        )
    data = _DATA.search(message)
    own = {"external": _EXTERNAL, "gssapi": _GSSAPI}.get(source.bind_method, {})
    if code in own:
        why = own[code]
    elif code == INVALID_CREDENTIALS and data and data[1] in _ACTIVE_DIRECTORY:
        why = f"{_ACTIVE_DIRECTORY[data[1]]}. Correct it there, or enter the new password here"
    else:
        why = _BINDS.get(code, f"result {code}. Look into the directory's log")
    return Rejected(
        f"The directory “{source.name}” refused {identity_of(source)}: {why}{said(message)}. "
        "Nothing was changed."
    )


def search_failed(base: str, seen: int, code: int, message: str) -> ProvisioningError:
    """Why reading below `base` ended after `seen` entries.

    InvalidInput or Rejected where somebody must change something, IncompleteRead otherwise.
    """
    if code in (NO_SUCH_OBJECT, REFERRAL, INVALID_DN):
        return _base_wrong(base, code, message)
    if code == BAD_FILTER:
        return InvalidInput(
            f"The filter for {base} cannot be read. Nothing was changed. Correct the filter; "
            "every bracket needs its partner."
        )
    if code == UNAVAILABLE_CRITICAL_EXTENSION:
        return InvalidInput(
            f"The directory cannot send {base} in pages{said(message)}. Nothing was changed. "
            "Enable paged results (RFC 2696) there."
        )
    if code in (INSUFFICIENT_ACCESS, OPERATIONS_ERROR):
        return Rejected(
            f"The directory does not let the bind account read {base}{said(message)}. "
            "Nothing was changed. Give the account the right to read below it."
        )
    if code in _LIMITS:
        return IncompleteRead(
            f"The directory stopped after {seen} entries of {base}: {_LIMITS[code]}"
            f"{said(message)}. Nothing was changed. Raise the limit for the bind account "
            "(OpenLDAP: limits … size.prtotal, time; Active Directory: LDAP policies)."
        )
    why = "it did not answer in time" if code == TIMED_OUT else "the connection was lost"
    if code > 0:
        why = f"it answered with result {code}"
    return IncompleteRead(
        f"Reading {base} broke off after {seen} entries: {why}{said(message)}. "
        "Nothing was changed; the whole read is tried again."
    )


def _base_wrong(base: str, code: int, message: str) -> InvalidInput:
    why = {
        NO_SUCH_OBJECT: "does not exist, or the bind account may not see it",
        REFERRAL: "is kept by another server, and referrals are not followed",
        INVALID_DN: "is not a DN",
    }[code]
    return InvalidInput(
        f"The base {base} {why}{said(message)}. Nothing was changed. Correct the base."
    )
