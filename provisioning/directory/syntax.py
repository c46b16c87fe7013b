"""Whether filters and distinguished names can be read at all, before a directory is asked."""

from __future__ import annotations

import ldap.dn
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter

from provisioning.core.errors import InvalidInput


def check_filter(text: str) -> None:
    """Raise InvalidInput unless `text` is one filter (RFC 4515) in brackets."""
    # The parser takes what follows the last bracket for a part of the filter, and says nothing.
    wrapped = text.startswith("(") and text.endswith(")") and _is_one(text)
    try:
        if wrapped:
            parse_filter(text, None, True, False, None, False)  # type: ignore[no-untyped-call]
    except (LDAPException, IndexError, ValueError):
        wrapped = False
    if not wrapped:
        raise InvalidInput(
            f"The filter {text} cannot be read. It stands in brackets, such as "
            "(objectClass=inetOrgPerson), and every bracket needs its partner."
        )


def check_dn(text: str) -> None:
    """Raise InvalidInput unless `text` is a DN (RFC 4514) with at least one component."""
    if not text.strip() or not ldap.dn.is_dn(text):
        raise InvalidInput(f"{text} is not a DN such as ou=people,dc=example,dc=com.")


def _is_one(text: str) -> bool:
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False
