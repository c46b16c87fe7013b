"""Lists as CSV, with the filter that is on the page: accounts, people, the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.core.spreadsheet import csv_lines
from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, AuditEvent, Person
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.accounts.account_filter import AccountFilter
from provisioning.web.console.audit import AuditFilter
from provisioning.web.people.people import PeopleFilter
from provisioning.web.streaming import send_csv

# Rows that are in memory at a time.
_CHUNK = 2000
# What each file holds: its columns by the field that they show.
_ACCOUNT = {
    "name": "name", "SIP URI": "aor", "number": "number__e164", "state": "state", "kind": "kind",
    "user name": "person__login", "mail": "person__mail", "site": "site__name",
    "pool": "pool__name", "rule": "rule__name", "client profile": "profile__name",
    "changed": "changed_at",
}  # fmt: skip
_PERSON = {
    "name": "display_name", "user name": "login", "mail": "mail", "phone": "phone",
    "department": "department", "office": "office", "source": "source__name",
    "SIP URI": "aor", "disabled": "disabled", "left": "left_at", "conflict": "problem",
    "changed": "changed_at",
}  # fmt: skip
_EVENT = {
    "when": "at", "who": "actor_name", "what": "action", "kind": "object_type",
    "id": "object_id", "name": "object_name", "details": "detail", "reference": "request_id",
}  # fmt: skip


@needs(Capability.VIEW)
@require_safe
def accounts(request: ConsoleRequest) -> HttpResponseBase:
    """The accounts of the list."""
    found = AccountFilter(request.GET, Account.objects.all()).rows
    return _send("accounts", _ACCOUNT, found.order_by("name_key", "pk"))


@needs(Capability.VIEW)
@require_safe
def people(request: ConsoleRequest) -> HttpResponseBase:
    """The people of the list, each with the SIP URI of their first account."""
    kept = Account.objects.filter(person=OuterRef("pk")).exclude(state=State.REMOVED)
    first = Subquery(kept.order_by("slot").values("aor")[:1])
    found = PeopleFilter(request.GET, Person.objects.annotate(aor=first)).rows
    return _send("people", _PERSON, found.order_by("name_key", "pk"))


@needs(Capability.VIEW)
@require_safe
def events(request: ConsoleRequest) -> HttpResponseBase:
    """The events of the audit log, newest first."""
    found = AuditFilter(request.GET, queryset=AuditEvent.objects.all()).qs
    return _send("audit-log", _EVENT, found.order_by("-id"))


def _send(name: str, columns: Mapping[str, str], rows: QuerySet[Any]) -> HttpResponseBase:
    return send_csv(csv_lines(_lines(columns, rows)), f"{name}.csv")


def _lines(columns: Mapping[str, str], rows: QuerySet[Any]) -> Iterator[Iterable[str]]:
    yield columns
    fields = list(columns.values())
    for row in rows.values_list(*fields).iterator(_CHUNK):
        yield [_text(field, value) for field, value in zip(fields, row, strict=True)]


def _text(field: str, value: object) -> str:
    """The value as text: moments in UTC (ISO 8601), states in the console's words."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    return MEANINGS[State(text)].label if field == "state" else text
