"""Directory sources: saving with everything checked, deleting, candidates for a test."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from django.db import transaction

from provisioning.core.errors import InvalidFields, InvalidInput, Unreachable
from provisioning.core.records import SourceRecord
from provisioning.core.text import require_line
from provisioning.directory.attributes import compile_reading, is_secret
from provisioning.directory.bases import read_base
from provisioning.directory.endpoint import endpoints
from provisioning.directory.mapping import MAP_FIELDS
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.directory.syntax import check_filter
from provisioning.models import DirectorySource, Run
from provisioning.services import leases
from provisioning.services.actor import Actor
from provisioning.services.console import audit, saving, schedules
from provisioning.services.directory.certificates import check_authorities
from provisioning.services.directory.source_identity import find_identity_faults
from provisioning.services.directory.source_schedule import modes_of
from provisioning.services.servers import targets
from provisioning.services.write_back.write_back import erase_secret

KEY_ATTRIBUTES = ("objectGUID", "entryUUID", "nsUniqueId")
_SHORTEST_INTERVAL = 10
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*", re.ASCII)
_LARGEST_PAGE = 10_000
# A task has to end before another worker takes it for lost.
_LONGEST_WAIT = 120


def save_source(*, source: DirectorySource, actor: Actor, secret: str | None = None) -> bool:
    """Keep a new or changed source with its schedule; `secret` None keeps the stored one.

    The stored secret never goes to a new place: it is erased when an address, the encryption, the
    certificate authority, the way of signing in or the client certificate changes and no new one
    is given. Returns whether that happened. Raises
    InvalidFields where values cannot be used; the expressions are named `mapping.<field>`.
    """
    tidy(source)
    before = saving.find_stored(source)
    _raise(_find_faults(source, before, secret))
    if before is None or _place(before) != _place(source):
        _check_addresses(source)
    erased = keep_secret_from_strangers(source, before) and secret is None
    saving.check_fields(source)
    facts = {"password": "erased" if erased else "changed"} if erased or secret is not None else {}
    with transaction.atomic():
        saving.save(row=source, before=before, actor=actor, **facts)
        if secret is not None:
            source.set_bind_secret(secret)
            source.save(update_fields=["sealed_bind_secret"])
        if before is not None and _place(before) != _place(source):
            erase_secret(source=source)
        schedules.keep_schedule(source)
    return erased


def delete_source(*, source: DirectorySource, actor: Actor) -> None:
    """Delete a source that nothing uses: once people were read, it stays, and is switched off."""
    if Run.objects.exclude(leases.FREE).filter(source=source).exists():
        raise InvalidInput(
            f"A sync of “{source}” is under way. Nothing was deleted; stop it first."
        )
    with transaction.atomic():
        schedules.remove_schedule(source)
        saving.delete(row=source, actor=actor)


def switch_source(*, source: DirectorySource, enabled: bool, actor: Actor) -> None:
    """Read `source` on its schedule, or only when somebody asks."""
    with transaction.atomic():
        source.enabled = enabled
        source.save(update_fields=["enabled"])
        schedules.keep_schedule(source)
        audit.record(
            actor=actor, action="changed", obj=source,
            detail={"read on schedule": [not enabled, enabled]},
        )  # fmt: skip


def source_candidate(*, source: DirectorySource, secret: str | None) -> SourceRecord:
    """The record of a source that is perhaps not saved, for a test.

    The stored password is used only where nothing changed that it must not be sent to.
    """
    tidy(source)
    keep_secret_from_strangers(source, saving.find_stored(source))
    record = source.as_record()
    return record if secret is None else replace(record, bind_secret=secret)


def keep_secret_from_strangers(source: DirectorySource, before: DirectorySource | None) -> bool:
    """Take the stored password from `source` where it would go elsewhere; whether there was one."""
    if before is None or _place(before) == _place(source):
        return False
    source.set_bind_secret("")
    return before.sealed_bind_secret is not None


def tidy(source: DirectorySource) -> None:
    """Bring what was typed to its one form; raises InvalidFields where it has none."""
    faults: dict[str, str] = {}
    source.name = source.name.strip()
    source.uris = "\n".join(source.uris.split())
    for field in ("person_bases", "group_bases"):
        lines = (line.strip() for line in getattr(source, field).splitlines())
        setattr(source, field, "\n".join(line for line in lines if line))
    for field in (
        "bind_dn", "person_filter", "group_filter", "disabled_expression", "photo_attribute"
    ):  # fmt: skip
        setattr(source, field, getattr(source, field).strip())
    source.mapping = {field: text.strip() for field, text in source.mapping.items() if text.strip()}
    if source.is_scim:
        _forget_directory(source)
    for field, text in (("name", source.name), ("bind_dn", source.bind_dn)):
        _note(faults, field, require_line, text, "It")
    for field, what in (
        ("ca_pem", "The certificate authority"), ("client_certificate", "The client certificate")
    ):  # fmt: skip
        try:
            setattr(source, field, check_authorities(getattr(source, field), what))
        except InvalidInput as error:
            faults[field] = error.message
    if source.bind_method == DirectorySource.BindMethod.EXTERNAL:
        source.bind_dn = ""
    else:
        source.client_certificate = ""
    if source.broke_off not in source.uris.split():
        source.broke_off = ""
    _raise(faults)


def _forget_directory(source: DirectorySource) -> None:
    """A SCIM client is never connected to: nothing of an address or a secret is kept."""
    for field in (
        "uris", "ca_pem", "bind_dn", "client_certificate", "person_bases", "person_filter",
        "group_bases", "group_filter", "photo_attribute",
    ):  # fmt: skip
        setattr(source, field, "")
    source.bind_method = DirectorySource.BindMethod.SIMPLE
    source.key_attribute = DEFAULT_MAPPINGS[DirectorySource.Kind.SCIM].key_attribute


def _place(source: DirectorySource) -> tuple[object, ...]:
    """Where the password goes, and whom it trusts there."""
    return (
        tuple(source.uris.split()), source.tls, source.ca_pem,
        source.bind_method, source.client_certificate,
    )  # fmt: skip


def _find_faults(
    source: DirectorySource, before: DirectorySource | None, secret: str | None
) -> dict[str, str]:
    faults: dict[str, str] = {}
    if before is not None and source.is_scim != before.is_scim:
        faults["kind"] = "What a source is read from stays. Add a second source instead."
    if source.is_scim:
        if source.allows_sign_in:
            faults["allows_sign_in"] = "A SCIM client cannot be asked for passwords."
    else:
        _note(faults, "uris", endpoints, source.as_record())
        faults |= find_identity_faults(source, before, secret)
        _check_reading(source, before, faults)
    if source.mode not in modes_of(source):
        faults["mode"] = "Changes of such a source are not told that way."
    _check_mapping(source, faults)
    if source.interval_seconds < _SHORTEST_INTERVAL:
        faults["interval_seconds"] = f"At least {_SHORTEST_INTERVAL} seconds."
    if not 1 <= source.page_size <= _LARGEST_PAGE:
        faults["page_size"] = f"From 1 to {_LARGEST_PAGE:,} entries."
    for field in ("connect_timeout", "read_timeout"):
        if not 1 <= (getattr(source, field) or 1) <= _LONGEST_WAIT:
            faults[field] = f"From 1 to {_LONGEST_WAIT} seconds, or empty for what is usual."
    return faults


def _check_reading(
    source: DirectorySource, before: DirectorySource | None, faults: dict[str, str]
) -> None:
    if not source.person_bases:
        faults["person_bases"] = "Enter at least one DN, such as ou=people,dc=example,dc=com."
    for field in ("person_bases", "group_bases"):
        for base in getattr(source, field).splitlines():
            _note(faults, field, read_base, base)
    _note(faults, "person_filter", check_filter, source.person_filter)
    if source.group_bases:
        _note(faults, "group_filter", check_filter, source.group_filter)
    if source.key_attribute not in KEY_ATTRIBUTES:
        faults["key_attribute"] = f"Choose one of {', '.join(KEY_ATTRIBUTES)}."
    elif before is not None and before.key_attribute != source.key_attribute and _was_read(before):
        faults["key_attribute"] = (
            f"It stays {before.key_attribute}: people are known by it. “Change the key” on the "
            "page of the source shows first who becomes which."
        )


def _was_read(source: DirectorySource) -> bool:
    return source.people.exists() or source.groups.exists()


def _check_mapping(source: DirectorySource, faults: dict[str, str]) -> None:
    for field in source.mapping:
        if field not in MAP_FIELDS:
            faults[f"mapping.{field}"] = f"There is no field “{field}”."
    for field, text in source.mapping.items():
        _note(faults, f"mapping.{field}", compile_reading, text)
    if "login" not in source.mapping:
        faults["mapping.login"] = "Without a user name nobody can be told apart."
    if source.photo_attribute:
        _note(faults, "photo_attribute", _check_photo, source.photo_attribute)
    if source.disabled_expression:
        _note(faults, "disabled_expression", compile_reading, source.disabled_expression)


def _check_photo(name: str) -> None:
    if not _ATTRIBUTE.fullmatch(name) or is_secret(name):
        raise InvalidInput("Enter the name of one attribute, such as thumbnailPhoto.")


def _check_addresses(source: DirectorySource) -> None:
    """Raise InvalidFields where an address is refused, or the password would travel in clear."""
    encrypted = source.tls != DirectorySource.Tls.NONE
    for uri in source.uris.split():
        try:
            targets.check_directory(uri, encrypted=encrypted)
        except (InvalidInput, Unreachable) as error:
            raise InvalidFields({"uris": error.message}) from error


def _note(
    faults: dict[str, str], field: str, check: Callable[..., object], *values: object
) -> None:
    """Keep why `check` refuses `values`, once for each field."""
    try:
        check(*values)
    except InvalidInput as error:
        faults.setdefault(field, error.message)


def _raise(faults: dict[str, str]) -> None:
    if faults:
        raise InvalidFields(faults)
