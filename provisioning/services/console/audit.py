"""Writing and verifying the audit log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from provisioning.models import AuditEvent
from provisioning.services.actor import Actor

_CHAIN_LOCK = 7_263_001
_BATCH = 500


def record(
    *,
    actor: Actor,
    action: str,
    obj: models.Model | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one event in the caller's transaction (or one of its own).

    `action` is past tense in plain words ("blocked", "approved"); `detail` is JSON without
    secrets: changed fields as {"field": [before, after]}, or plain facts.
    """
    record_each(actor=actor, action=action, events=[(obj, detail or {})])


def record_each(
    *, actor: Actor, action: str, events: Iterable[tuple[models.Model | None, dict[str, Any]]]
) -> None:
    """Append an event for each (object, detail), as `record` does, in few statements."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN_LOCK])
        last = AuditEvent.objects.order_by("-id").values_list("hash", flat=True).first() or ""
        rows = []
        for obj, detail in events:
            event = AuditEvent(
                at=timezone.now(),
                actor=actor.user,
                actor_name=actor.name,
                action=action,
                object_type=obj._meta.model_name or "" if obj else "",
                object_id=str(obj.pk) if obj else "",
                object_name=str(obj)[:200] if obj else "",
                detail=detail,
                request_id=actor.request_id,
            )
            last = event.hash = _hash(last, event)
            rows.append(event)
        AuditEvent.objects.bulk_create(rows, batch_size=_BATCH)


def find_broken_event() -> AuditEvent | None:
    """The first event whose hash does not follow from it and the one before, if any."""
    previous = ""
    for event in AuditEvent.objects.order_by("id").iterator(chunk_size=2000):
        if event.hash != _hash(previous, event):
            return event
        previous = event.hash
    return None


def _hash(previous: str, event: AuditEvent) -> str:
    content = json.dumps(
        [
            previous,
            event.at.isoformat(),
            event.actor_name,
            event.action,
            event.object_type,
            event.object_id,
            event.object_name,
            event.detail,
            event.request_id,
        ],
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()
