"""Bases with a scope and a filter of their own: `ou=Sales,dc=example?one?(l=Bonn)`.

The parts stand as in the search part of an LDAP URL (RFC 4516) without attributes, as SSSD and
others write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from provisioning.core.errors import InvalidInput
from provisioning.directory.syntax import check_filter, is_dn

Scope = Literal["subtree", "one"]
_SCOPES: dict[str, Scope] = {"": "subtree", "sub": "subtree", "subtree": "subtree", "one": "one"}


@dataclass(frozen=True, slots=True)
class Search:
    """What is read below one DN: all of it or the next level, those that match the filter."""

    dn: str
    scope: Scope
    filter: str


def searches(bases: Iterable[str], filter_: str) -> Iterator[Search]:
    """One search for each base; a base's own filter and `filter_` must both match.

    Raises InvalidInput for a base that cannot be read.
    """
    for base in bases:
        own = read_base(base)
        yield Search(own.dn, own.scope, f"(&{filter_}{own.filter})" if own.filter else filter_)


def dns_of(bases: Iterable[str]) -> list[str]:
    """The DNs alone, each once, in their order."""
    return list(dict.fromkeys(read_base(base).dn for base in bases))


def narrowed(bases: Iterable[str]) -> list[str]:
    """Those of the bases that have a scope or a filter of their own."""
    found = ((base, read_base(base)) for base in bases)
    return [base for base, own in found if own.scope != "subtree" or own.filter]


def read_base(text: str) -> Search:
    """DN, scope and own filter (empty: none) of one line; raises InvalidInput."""
    dn, asked, rest = text.partition("?")
    word, _, own = rest.partition("?")
    scope = _SCOPES.get(word.strip().lower())
    if asked and scope is None:
        raise InvalidInput(
            f"“{word}” is not a scope. After the DN comes ?one or ?sub, then perhaps ?(filter)."
        )
    if not is_dn(dn):
        raise InvalidInput(f"The base {dn} is not a DN such as ou=people,dc=example,dc=com.")
    if own.strip():
        check_filter(own.strip())
    return Search(dn.strip(), scope or "subtree", own.strip())
