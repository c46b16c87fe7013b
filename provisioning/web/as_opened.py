"""Edits that cross: a form says what it was opened with, and is refused where that has changed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.db.models import Model
from django.forms.models import model_to_dict
from django.utils.crypto import salted_hmac

from provisioning.models import AuditEvent

# The hidden field of the form.
FIELD = "as_opened"


def seal(row: Model, fields: Collection[str]) -> str:
    """What `fields` of a row hold, as a text that tells nothing of them."""
    values = model_to_dict(row, list(fields))
    return salted_hmac(FIELD, json.dumps(values, default=_plain, sort_keys=True)).hexdigest()


def crossing(row: Model, fields: Collection[str], opened_with: str) -> str:
    """Why a form must not be saved that was opened with other values; empty where it may.

    A form that does not say what it was opened with was made by a program, and counts as it is.
    """
    if not opened_with or opened_with == seal(row, fields):
        return ""
    events = AuditEvent.objects.filter(object_type=row._meta.model_name, object_id=str(row.pk))
    last = events.order_by("-id").first()
    who = last.actor_name if last else "Somebody else"
    return (
        f"{who} changed “{row}” after you had opened this form. Nothing was saved. The form shows "
        "what you typed: look at what is kept now, in another tab, and save again only where yours "
        "shall replace it."
    )


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Model) else str(value)
