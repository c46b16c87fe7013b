"""Saving and deleting what administrators configure: checked, audited, protected while in use."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from provisioning.core.errors import InvalidInput
from provisioning.services.actor import Actor
from provisioning.services.console import audit, crossing

Row = TypeVar("Row", bound=models.Model)

# Long texts appear in the audit log as "changed", not in full.
_SHOWN = 300


def find_stored(row: Row) -> Row | None:
    """`row` as it is in the database now, or None when it is new."""
    manager = type(row)._default_manager
    return manager.filter(pk=row.pk).first() if row.pk else None


def check_fields(row: models.Model) -> None:
    """Raise InvalidInput with every reason why `row` cannot be kept."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error


def changes(before: models.Model | None, after: models.Model) -> dict[str, list[Any]]:
    """Editable fields that differ, as {label: [before, after]}; secrets are not editable.

    Choices are told by their labels; of a mapping each entry that differs is told by itself. The
    version that a row counts is nothing that somebody changed.
    """
    found: dict[str, list[Any]] = {}
    for field in after._meta.concrete_fields:
        if not field.editable or field.primary_key or field.name == "version":
            continue
        given = field.value_from_object(after)
        if before is not None and field.value_from_object(before) == given:
            continue
        if isinstance(field, models.JSONField) and isinstance(given, dict):
            found |= _entries(field, before, given)
            continue
        new = _shown(field, after)
        old = _shown(field, before) if before is not None else ""
        # Two long texts look alike and differ all the same, such as two certificates.
        if before is not None or old != new:
            found[str(field.verbose_name)] = [old, new]
    return found


def save(*, row: models.Model, before: models.Model | None, actor: Actor, **facts: Any) -> None:
    """Save `row`; audit what changed since `before` (None: it is new), with `facts` beside it.

    Raises InvalidInput where somebody else changed it since `crossing.expect`.
    """
    found = changes(before, row)
    try:
        with transaction.atomic():
            crossing.require_unchanged(row)
            row.save()
    except IntegrityError as error:
        raise InvalidInput(
            f"{_label(row).capitalize()} “{row}” was changed by somebody else at the same time. "
            "Load the page again."
        ) from error
    if before is None or found or facts:
        audit.record(
            actor=actor,
            action="created" if before is None else "changed",
            obj=row,
            detail={**found, **facts},
        )


def delete(*, row: models.Model, actor: Actor) -> None:
    """Delete `row`; raises InvalidInput that says what still uses it (only counts are read)."""
    uses = find_uses(row)
    if uses:
        raise InvalidInput(
            f"“{row}” is still used by {', '.join(uses)}. Nothing was deleted; move or delete "
            "those first."
        )
    with transaction.atomic():
        audit.record(actor=actor, action="deleted", obj=row)
        try:
            row.delete()
        except models.ProtectedError as error:
            raise InvalidInput(
                f"Something began to use “{row}” just now. Nothing was deleted."
            ) from error


def find_uses(row: models.Model) -> list[str]:
    """What protects `row` from being deleted, such as "2 SIP servers"."""
    uses = []
    for relation in row._meta.related_objects:
        if getattr(relation, "on_delete", None) is not models.PROTECT:
            continue
        model = relation.related_model
        count = model._default_manager.filter(**{relation.field.name: row}).count()
        if count:
            options = model._meta
            uses.append(
                f"{count:,} {options.verbose_name if count == 1 else options.verbose_name_plural}"
            )
    return uses


def _entries(
    field: models.Field[Any, Any], before: models.Model | None, given: dict[str, Any]
) -> dict[str, list[Any]]:
    """The entries of a mapping that differ; of a new row those that are set."""
    kept = field.value_from_object(before) if before is not None else {}
    return {
        f"{field.verbose_name}: {key}": [_plain(kept.get(key, "")), _plain(given.get(key, ""))]
        for key in {**kept, **given}
        if kept.get(key, "") != given.get(key, "")
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str | int | float | bool) else str(value)


def _shown(field: models.Field[Any, Any], row: models.Model) -> Any:
    if isinstance(field, models.ForeignKey):
        related = getattr(row, field.name)
        return "" if related is None else str(related)
    value = field.value_from_object(row)
    if isinstance(value, list):
        return _plain(value)
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"({len(value):,} characters)"
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _label(row: models.Model) -> str:
    return str(row._meta.verbose_name)
