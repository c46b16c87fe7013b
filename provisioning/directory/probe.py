"""The connection test of a directory: step by step, each with what was found or what to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from provisioning.core.certificate import Inspection
from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.records import SourceRecord
from provisioning.directory import diagnosis
from provisioning.directory.bases import dns_of
from provisioning.directory.certificate import identity_of, inspect, unreachable
from provisioning.directory.conversation import PAGED_RESULTS, Conversation, converse
from provisioning.directory.endpoint import Endpoint, endpoints
from provisioning.directory.incremental import find_offer
from provisioning.directory.probe_entries import (
    NO_ATTRIBUTES,
    read_attributes,
    read_groups,
    read_people,
)
from provisioning.directory.step import Step, listed

EXPIRY_WARNING_DAYS = 30


def probe_directory(source: SourceRecord, attributes: Collection[str] = ()) -> Iterator[Step]:
    """Test the first server that can be reached and trusted, up to the first step that fails.

    Servers before it are tested as far as that goes; those after it get one step each. `attributes`
    are those that the mapping reads. Nothing is changed, and no ProvisioningError is raised.
    """
    try:
        servers = endpoints(source)
    except InvalidInput as error:
        yield Step("Address", False, error.message)
        return
    while servers:
        endpoint = servers.pop(0)
        first = endpoint.uri == endpoints(source)[0].uri
        reached = True
        for step in _reach(source, endpoint):
            yield step if first else replace(step, name=f"{endpoint.uri}: {step.name}")
            reached = reached and step.ok
            if not reached:
                break
        if reached:
            break
    else:
        return
    for step in _conversation(source, endpoint, attributes):
        yield step
        if not step.ok:
            return
    for other in servers:
        yield _timed(other.uri, partial(_other_server, source, other))


def probe_addresses(source: SourceRecord) -> Iterator[Step]:
    """Test each server as far as its certificate; nobody signs in and no secret is sent."""
    try:
        servers = endpoints(source)
    except InvalidInput as error:
        yield Step("Address", False, error.message)
        return
    for endpoint in servers:
        for step in _reach(source, endpoint):
            yield step if len(servers) == 1 else replace(step, name=f"{endpoint.uri}: {step.name}")
            if not step.ok:
                break


def _reach(source: SourceRecord, endpoint: Endpoint) -> Iterator[Step]:
    yield _timed("Address", lambda: _resolve(endpoint))
    yield _timed("Connection", lambda: _connect(endpoint, source.connect_timeout))
    yield _timed("Certificate", lambda: _certificate(source, endpoint))


def _timed(name: str, act: Callable[[], Step]) -> Step:
    began = time.monotonic()
    try:
        step = act()
    except ProvisioningError as error:
        step = Step(name, False, error.message)
    return replace(step, milliseconds=round((time.monotonic() - began) * 1000))


def _conversation(
    source: SourceRecord, endpoint: Endpoint, attributes: Collection[str]
) -> Iterator[Step]:
    with ExitStack() as stack:
        opened: list[Conversation] = []

        def sign_in() -> Step:
            opened.append(stack.enter_context(converse(source, endpoint)))
            return _signed_in(source, opened[0])

        yield _timed("Sign-in", sign_in)
        if opened:
            conversation = opened[0]
            yield _timed("Bases", lambda: _bases(source, conversation))
            yield _timed("Paging", lambda: _paging(conversation))
            yield _timed("Changes", lambda: _changes(replace(source, uris=(endpoint.uri,))))
            yield _timed("People", lambda: read_people(source, conversation))
            yield _timed("Attributes", lambda: read_attributes(source, conversation, attributes))
            yield _timed("Groups", lambda: read_groups(source, conversation))


def _resolve(endpoint: Endpoint) -> Step:
    addresses = sorted(endpoint.addresses or _look_up(endpoint))
    if addresses == [endpoint.host]:
        return Step("Address", True, f"{endpoint.host} is an address; nothing to look up.")
    return Step("Address", True, f"{endpoint.host} is {', '.join(addresses)}.")


def _look_up(endpoint: Endpoint) -> set[str]:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise unreachable(endpoint, error) from error
    return {str(entry[4][0]) for entry in found}


def _connect(endpoint: Endpoint, timeout: float) -> Step:
    try:
        with endpoint.dial(timeout) as line:
            reached = line.getpeername()[0]
    except OSError as error:
        raise unreachable(endpoint, error) from error
    return Step("Connection", True, f"{reached} answers at port {endpoint.port}.")


def _certificate(source: SourceRecord, endpoint: Endpoint) -> Step:
    if endpoint.tls == "none":
        return Step(
            "Certificate",
            True,
            "The connection is not encrypted.",
            advice="The bind password and everybody's data can be read on the way. "
            "Choose LDAPS or StartTLS.",
        )
    inspection = inspect(endpoint, source.ca_pem, source.connect_timeout, identity_of(source))
    detail = _describe(inspection)
    if inspection.refusal:
        return Step(
            "Certificate",
            False,
            f"The certificate is not trusted: {inspection.refusal}.",
            detail,
            "Enter the certificate authority that issued it, in PEM, and an address that the "
            "certificate names; or let the directory show a certificate that fits.",
        )
    days = inspection.certificate.days_left(datetime.now(UTC))
    advice = (
        f"Renew the certificate: it expires in {days} days." if days <= EXPIRY_WARNING_DAYS else ""
    )
    return Step(
        "Certificate", True, f"Trusted for {endpoint.host}, {days} more days.", detail, advice
    )


def _describe(inspection: Inspection) -> str:
    certificate = inspection.certificate
    return "\n".join(
        (
            f"Subject: {certificate.subject or 'none'}",
            f"Names: {', '.join(certificate.names) or 'none'}",
            f"Issuer: {certificate.issuer}",
            f"Expires: {certificate.not_after:%Y-%m-%d %H:%M} UTC",
        )
    )


def _signed_in(source: SourceRecord, conversation: Conversation) -> Step:
    about = conversation.about()
    product = " ".join((*about.get("vendorname", ()), *about.get("vendorversion", ())))
    found = (("Known there as", conversation.who_am_i()), ("Server", product))
    detail = "\n".join(f"{what}: {value}" for what, value in found if value)
    return Step("Sign-in", True, f"Signed in as {diagnosis.identity_of(source)}.", detail)


def _bases(source: SourceRecord, conversation: Conversation) -> Step:
    bases = dns_of((*source.person_bases, *source.group_bases))
    if not source.person_bases:
        raise InvalidInput("There is no base for people. Enter one such as ou=people,dc=example.")
    for base in bases:
        try:
            conversation.look_at(base, NO_ATTRIBUTES)
        except ProvisioningError as error:
            contexts = conversation.about().get("namingcontexts", ())
            return Step("Bases", False, error.message, listed("The directory keeps", contexts))
    return Step("Bases", True, f"{len(bases)} found.", "\n".join(bases))


def _paging(conversation: Conversation) -> Step:
    if PAGED_RESULTS in conversation.about().get("supportedcontrol", ()):
        return Step("Paging", True, "Large results come in pages.")
    return Step(
        "Paging",
        False,
        "The server does not offer paged results.",
        advice="Enable the control 1.2.840.113556.1.4.319 (RFC 2696), or use another server.",
    )


def _changes(source: SourceRecord) -> Step:
    offer = find_offer(source)
    if offer.way:
        return Step(
            "Changes", True, f"What changed can be asked for by {offer.way}.", "", offer.advice
        )
    return Step(
        "Changes", True, "The directory does not tell what changed: everything is read each time.",
        "", offer.advice,
    )  # fmt: skip


def _other_server(source: SourceRecord, endpoint: Endpoint) -> Step:
    with converse(source, endpoint):
        return Step(endpoint.uri, True, "Trusted and signed in.")
