"""Edits that cross: the second of two is told what the first one changed, and replaces nothing."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet

from provisioning.core.errors import InvalidInput
from provisioning.models import AuditEvent
from provisioning.services.console.audit_words import tell

# Where a row carries what it held when it was read.
_EXPECTED = "_expected"
_MOST_EVENTS, _MOST_VALUES, _LONGEST = 3, 6, 60


def newest_event(row: Model) -> int:
    """The id of the last audit event about `row`, 0 for none."""
    return _events(row).values_list("pk", flat=True).first() or 0


def crossed(row: Model, *, since: int) -> InvalidInput:
    """That somebody else changed `row` after the event `since`: who, and what.

    That nothing was saved is said by the form.
    """
    events = list(_events(row).filter(pk__gt=since)[:_MOST_EVENTS])
    who = " and ".join(dict.fromkeys(event.who for event in reversed(events)))
    changed = [
        f"{label}: {_short(before)} → {_short(after)}"
        for event in reversed(events)
        for label, before, after in tell(event.detail).rows
    ]
    more = f" and {len(changed) - _MOST_VALUES} more" if len(changed) > _MOST_VALUES else ""
    what = f" ({'; '.join(changed[:_MOST_VALUES])}{more})" if changed else ""
    return InvalidInput(
        f"{who or 'Somebody else'} changed “{row}” after you had opened this form{what}. The "
        "form shows what you typed: look at what is kept now, in another tab, and save again only "
        "where yours shall replace it."
    )


def expect(row: Model) -> None:
    """Let nobody save `row`, as it was just read, over what somebody else saves meanwhile."""
    row.__dict__[_EXPECTED] = (_values(row), newest_event(row))


def require_unchanged(row: Model) -> None:
    """Raise InvalidInput where `row` is not as it was when `expect` was called; it is locked.

    Call in the transaction that saves it. Rows that nobody expects anything of pass.
    """
    expected = row.__dict__.pop(_EXPECTED, None)
    if expected is None:
        return
    values, since = expected
    rows = type(row)._default_manager.select_for_update(of=("self",))
    stored = rows.filter(pk=row.pk).first()
    if stored is None:
        raise InvalidInput(f"Somebody else deleted “{row}” meanwhile. Nothing was saved.")
    if _values(stored) != values:
        raise crossed(stored, since=since)


def _events(row: Model) -> QuerySet[AuditEvent]:
    about = AuditEvent.objects.select_related("actor").filter(
        object_type=row._meta.model_name, object_id=str(row.pk)
    )
    return about.order_by("-id")


def _values(row: Model) -> dict[str, Any]:
    """What somebody may edit; what the console notes by itself is written at any time."""
    return {
        field.attname: field.value_from_object(row)
        for field in row._meta.concrete_fields
        if field.editable
    }


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text or "nothing"
