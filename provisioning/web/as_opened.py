"""Edits that cross: a form says what it was opened with, and is refused where that has changed."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.db.models import Model
from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from provisioning.services.console import crossing
from provisioning.web.ids import row_id

# The hidden field of the form.
FIELD = "as_opened"


def seal(row: Model, fields: Collection[str]) -> str:
    """What `fields` of a row hold, as a text that tells nothing of them, and the last event."""
    values = model_to_dict(row, list(fields))
    held = salted_hmac(FIELD, json.dumps(values, default=_plain, sort_keys=True)).hexdigest()
    return f"{held}-{crossing.newest_event(row)}"


def begin(request: HttpRequest, row: Model, fields: Collection[str]) -> str:
    """Why `row`, just read, must not be changed by the form that was sent; empty where it may.

    From now on nobody saves it over what somebody else saves meanwhile. A form that does not say
    what it was opened with was made by a program, and counts as it is.
    """
    crossing.expect(row)
    opened, _, event = request.POST.get(FIELD, "").partition("-")
    if not opened or opened == seal(row, fields).partition("-")[0]:
        return ""
    return crossing.crossed(row, since=row_id(event) or 0).message


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Model) else str(value)
