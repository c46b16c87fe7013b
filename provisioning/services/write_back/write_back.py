"""Write-back: whether a source is written to, as whom, and which attributes get which values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidFields, InvalidInput, Rejected
from provisioning.core.expression import Expression
from provisioning.core.records import SourceRecord
from provisioning.core.text import require_line
from provisioning.core.written import check_name, needs_second_user
from provisioning.directory.attributes import compile_reading, is_secret
from provisioning.models import DirectorySource, WriteBack, WrittenAttribute
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.directory import elsewhere
from provisioning.services.servers import targets
from provisioning.services.write_back.account_values import compile_value
from provisioning.services.write_back.write_back_loops import check_loop

MAX_ATTRIBUTES = 10


@dataclass(frozen=True, slots=True)
class Written:
    """An attribute that is written, and the expression that its value comes from."""

    attribute: str
    value: Expression


def settings_of(source: DirectorySource) -> WriteBack:
    """The write-back of `source`; one that was never kept is off."""
    return WriteBack.objects.filter(source=source).first() or WriteBack(source=source)


def active_attributes(source: DirectorySource) -> list[Written]:
    """What is written there: without attributes that wait for a second console user.

    Raises InvalidInput where one can be written no longer, such as after the attribute map began to
    read it.
    """
    found = []
    for row in source.written_attributes.order_by("attribute"):
        if not waits_for_second_user(row):
            check_name(row.attribute)
            check_loop(source, row.attribute)
            found.append(Written(row.attribute, compile_value(row.expression)))
    return found


def waits_for_second_user(row: WrittenAttribute) -> bool:
    """Whether nobody but its author has agreed to it yet, though somebody has to."""
    return needs_second_user(row.attribute) and row.approved_at is None


def set_write_back(
    *,
    write_back: WriteBack,
    attributes: Mapping[str, str],
    elsewhere_expression: str,
    secret: str | None,
    actor: Actor,
) -> None:
    """Keep all of a source's write-back; `attributes` are attribute → expression.

    `secret` None keeps the stored password. Who adds or changes an attribute is its author; one
    that others live on then waits for somebody else. Without an expression for numbers used
    elsewhere, those of this directory are released. Raises InvalidFields; those of attributes are
    named `attribute.<name>`.
    """
    source = write_back.source
    source.elsewhere_expression = elsewhere_expression.strip()
    write_back.bind_dn = write_back.bind_dn.strip()
    wanted = {name.strip(): text.strip() for name, text in attributes.items() if name.strip()}
    before = settings_of(source)
    kept = {row.attribute: row for row in source.written_attributes.all()}
    moved = write_back.bind_dn != before.bind_dn
    _check(write_back, wanted, has_secret=bool(secret or (before.sealed_secret and not moved)))
    detail = _differences(before, write_back, kept, wanted)
    if moved or secret is not None:
        detail["password of the account that writes"] = "changed" if secret else "erased"
    with transaction.atomic():
        stored = DirectorySource.objects.select_for_update().get(pk=source.pk)
        if stored.elsewhere_expression != source.elsewhere_expression:
            detail["number used elsewhere"] = [
                stored.elsewhere_expression, source.elsewhere_expression
            ]  # fmt: skip
            source.save(update_fields=["elsewhere_expression"])
            if not source.elsewhere_expression:
                elsewhere.release_all(source=source)
        if detail:
            write_back.last_full_at = None
        write_back.save()
        if moved or secret is not None:
            write_back.set_secret(secret or "")
            write_back.save(update_fields=["sealed_secret"])
        _keep_attributes(source, kept, wanted, actor)
        if detail:
            audit.record(actor=actor, action="changed the write-back of", obj=source, detail=detail)


def approve_attribute(*, attribute: WrittenAttribute, actor: Actor) -> None:
    """Agree, as somebody else than its author, to an attribute that other systems live on.

    Raises Rejected where the actor is its author or no console user, or nobody is waited for.
    """
    with transaction.atomic():
        row = WrittenAttribute.objects.select_for_update().get(pk=attribute.pk)
        if not waits_for_second_user(row):
            raise Rejected(f"{row} does not wait for anybody. Nothing was changed.")
        if row.expression != attribute.expression:
            raise Rejected(f"{row} was changed meanwhile. Nothing was approved; look at it again.")
        if actor.user is None or row.author_id == actor.user.pk:
            raise Rejected(
                f"{row} has to be approved by another administrator than the one who set it. "
                "Nothing was changed."
            )
        row.approved_by, row.approved_at = actor.user, timezone.now()
        row.save(update_fields=["approved_by", "approved_at"])
        WriteBack.objects.filter(source=row.source).update(last_full_at=None)
        audit.record(
            actor=actor, action="approved writing to", obj=row.source,
            detail={"attribute": row.attribute, "value": row.expression},
        )  # fmt: skip


def erase_secret(*, source: DirectorySource) -> None:
    """Forget the password of the account that writes, before the source leads elsewhere."""
    WriteBack.objects.filter(source=source).update(sealed_secret=None)


def reading_record(source: DirectorySource) -> SourceRecord:
    """How `source` is read, at addresses that were judged."""
    return targets.pin_source(source.as_record())


def writing_record(write_back: WriteBack, secret: str | None = None) -> SourceRecord:
    """How the source is written to; raises Rejected where the password is missing."""
    record = reading_record(write_back.source)
    if not write_back.bind_dn:
        return record
    password = write_back.secret() if secret is None else secret
    if not password:
        raise Rejected(
            f"No password of {write_back.bind_dn}, the account that writes, is kept. Nothing was "
            "written; enter it under Write-back."
        )
    return replace(
        record, bind_method="simple", bind_dn=write_back.bind_dn, bind_secret=password,
        client_certificate="",
    )  # fmt: skip


def _check(write_back: WriteBack, attributes: Mapping[str, str], *, has_secret: bool) -> None:
    faults: dict[str, str] = {}
    source = write_back.source
    if source.kind == "scim":
        faults["enabled"] = "A SCIM client cannot be written to."
    try:
        require_line(write_back.bind_dn, "It")
    except InvalidInput as error:
        faults["bind_dn"] = error.message
    if write_back.bind_dn and not has_secret:
        faults["secret"] = "Enter the password of the account that writes."  # noqa: S105
    if source.elsewhere_expression:
        try:
            compile_reading(source.elsewhere_expression)
        except InvalidInput as error:
            faults["elsewhere_expression"] = error.message
    if write_back.enabled and not attributes:
        faults["enabled"] = "Name an attribute to write, or leave the write-back off."
    faults |= _check_attributes(source, attributes)
    if faults:
        raise InvalidFields(faults)


def _check_attributes(source: DirectorySource, attributes: Mapping[str, str]) -> dict[str, str]:
    faults: dict[str, str] = {}
    if len(attributes) > MAX_ATTRIBUTES:
        faults["attributes"] = f"At most {MAX_ATTRIBUTES} attributes are written."
    seen: set[str] = set()
    for name, text in attributes.items():
        field = f"attribute.{name}"
        try:
            check_attribute(source, name, text)
        except InvalidInput as error:
            faults[field] = error.message
        if name.lower() in seen:
            faults[field] = f"{name} is named twice."
        seen.add(name.lower())
    return faults


def check_attribute(source: DirectorySource, name: str, text: str) -> None:
    """Raise InvalidInput where `name` must not be written, or not with the expression `text`."""
    check_name(name)
    if is_secret(name):
        raise InvalidInput(f"{name} holds passwords or keys and is never written.")
    compile_value(text)
    check_loop(source, name)


def _differences(
    before: WriteBack, after: WriteBack, kept: Mapping[str, WrittenAttribute],
    wanted: Mapping[str, str],
) -> dict[str, object]:  # fmt: skip
    found: dict[str, object] = {}
    if before.enabled != after.enabled:
        found["write to this directory"] = [before.enabled, after.enabled]
    if before.bind_dn != after.bind_dn:
        found["account that writes"] = [before.bind_dn, after.bind_dn]
    for name in {**kept, **wanted}:
        old = kept[name].expression if name in kept else ""
        if old != wanted.get(name, ""):
            found[name] = [old, wanted.get(name, "")]
    return found


def _keep_attributes(
    source: DirectorySource, kept: Mapping[str, WrittenAttribute], wanted: Mapping[str, str],
    actor: Actor,
) -> None:  # fmt: skip
    source.written_attributes.exclude(attribute__in=list(wanted)).delete()
    for name, text in wanted.items():
        row = kept.get(name) or WrittenAttribute(source=source, attribute=name)
        if name not in kept or row.expression != text:
            row.expression, row.author = text, actor.user
            row.approved_by = row.approved_at = None
            row.save()
