"""Trying a source out before it is kept: its connection, its filters, what its server offers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.directory import probe
from provisioning.directory.bases import Search, searches
from provisioning.directory.conversation import Conversation, ask_first
from provisioning.directory.filters import Fault, find_fault
from provisioning.directory.mapping import PersonMapping, compile_mapping
from provisioning.directory.probe_entries import COUNT_LIMIT
from provisioning.directory.step import Step as Found
from provisioning.models import DirectorySource
from provisioning.services.directory.sources import source_candidate
from provisioning.services.scim.scim_sample import probe_scim
from provisioning.services.servers import targets
from provisioning.services.servers.connection_test import Step, StepState

_FIRST = 8
_NAMES = ("displayName", "cn", "description")
# [MS-ADTS] 3.1.1.3.4.1: LDAP_CAP_ACTIVE_DIRECTORY_OID.
_ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"


@dataclass(frozen=True, slots=True)
class FilterTrial:
    """What a filter matches: `count` (`more`: at least so many), the first as (DN, name).

    Where it cannot be read, `fault` says what is wrong and where; nobody was asked then.
    """

    count: int = 0
    more: bool = False
    milliseconds: int = 0
    first: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Guess:
    """What a directory says of itself: a kind (empty: it does not tell), its contexts, a base."""

    kind: str
    product: str
    contexts: tuple[str, ...]
    base: str


def probe_source(*, source: DirectorySource, secret: str | None) -> Iterator[Step]:
    """Every step up to the first that fails, as it is known.

    Changes nothing, asks the database nothing after the first step, raises no ProvisioningError.
    """
    if source.is_scim:
        yield from probe_scim(source)
        return
    try:
        record = targets.pin_source(source_candidate(source=source, secret=secret))
    except ProvisioningError as error:
        yield Step("Address", StepState.FAILED, error.message)
        return
    mapping = _mapping(source)
    yield from _steps(probe.probe_directory(record, mapping.attributes if mapping else ()))


def probe_addresses(*, source: DirectorySource) -> list[Step]:
    """Whether the servers can be reached and trusted; nobody signs in."""
    try:
        record = targets.pin_source(source_candidate(source=source, secret=""))
    except ProvisioningError as error:
        return [Step("Address", StepState.FAILED, error.message)]
    return list(_steps(probe.probe_addresses(record)))


def try_filter(*, source: DirectorySource, secret: str | None, groups: bool) -> FilterTrial:
    """What the filter of people, or of groups, matches below its bases.

    Raises a ProvisioningError where the directory cannot be asked.
    """
    text = (source.group_filter if groups else source.person_filter).strip()
    fault = find_fault(text)
    if fault is not None:
        return FilterTrial(fault=fault)
    record = targets.pin_source(source_candidate(source=source, secret=secret))
    bases = record.group_bases if groups else record.person_bases
    if not bases:
        raise InvalidInput("There is no base to search below. Enter one first.")
    asked = list(searches(bases, text))
    return ask_first(record, lambda conversation: _try(conversation, asked))


def guess_source(*, source: DirectorySource, secret: str | None) -> Guess:
    """What the directory says of itself once somebody has signed in.

    Raises a ProvisioningError where it cannot be asked.
    """
    record = targets.pin_source(source_candidate(source=source, secret=secret))
    about = ask_first(record, lambda conversation: conversation.about())
    contexts = tuple(about.get("namingcontexts", ()))
    base = next(iter((*about.get("defaultnamingcontext", ()), *contexts)), "")
    vendor = " ".join((*about.get("vendorname", ()), *about.get("vendorversion", ()))).strip()
    product = f"{vendor} {' '.join(about.get('objectclass', ()))}".lower()
    kind = ""
    if _ACTIVE_DIRECTORY in about.get("supportedcapabilities", ()):
        kind = DirectorySource.Kind.ACTIVE_DIRECTORY
    elif "openldaprootdse" in product:
        kind = DirectorySource.Kind.OPENLDAP
    elif "389" in product:
        kind = DirectorySource.Kind.DS389
    return Guess(kind, vendor, contexts, base)


def _steps(found: Iterable[Found]) -> Iterator[Step]:
    for step in found:
        state = StepState.FAILED if not step.ok else StepState.OK
        if step.ok and step.advice:
            state = StepState.WARNING
        detail = "\n".join(text for text in (step.text, step.detail) if text)
        yield Step(step.name, state, detail, step.advice, step.milliseconds)


def _try(conversation: Conversation, asked: list[Search]) -> FilterTrial:
    began = time.monotonic()
    dns: set[str] = set()
    first: dict[str, str] = {}
    for search in asked:
        rows = conversation.search(search, _NAMES, limit=COUNT_LIMIT + 1)
        dns.update(dn for dn, _ in rows)
        for dn, attributes in rows[:_FIRST]:
            names = (attributes[name.lower()][0] for name in _NAMES if name.lower() in attributes)
            first.setdefault(dn, next(names, b"").decode("utf-8", "replace"))
    return FilterTrial(
        count=min(len(dns), COUNT_LIMIT),
        more=len(dns) > COUNT_LIMIT,
        milliseconds=round((time.monotonic() - began) * 1000),
        first=tuple(list(first.items())[:_FIRST]),
    )


def _mapping(source: DirectorySource) -> PersonMapping | None:
    """The mapping, None while it cannot be read: the connection is tested all the same."""
    try:
        return compile_mapping(source.mapping, source.disabled_expression)
    except InvalidInput:
        return None
