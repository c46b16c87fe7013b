"""Whether filters and distinguished names can be read at all, before a directory is asked."""

from __future__ import annotations

import ldap.dn

from provisioning.core.errors import InvalidInput
from provisioning.directory.filters import find_fault


def check_filter(text: str) -> None:
    """Raise InvalidInput unless `text` is one filter (RFC 4515) in brackets."""
    fault = find_fault(text)
    if fault is not None:
        raise InvalidInput(
            f"The filter {text} cannot be read at character {fault.place + 1}. {fault.message} "
            "It stands in brackets, such as (objectClass=inetOrgPerson), and every bracket needs "
            "its partner."
        )


def check_dn(text: str) -> None:
    """Raise InvalidInput unless `text` is a DN (RFC 4514) with at least one component."""
    if not is_dn(text):
        raise InvalidInput(f"{text} is not a DN such as ou=people,dc=example,dc=com.")


def is_dn(text: str) -> bool:
    """Whether `text` is a DN (RFC 4514) with at least one component."""
    return bool(text.strip()) and ldap.dn.is_dn(text)
