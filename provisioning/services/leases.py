"""Leases in database time: who works on something, and until when, whatever their clocks say."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now

FREE = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


def new_owner() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(6)}"


def until(seconds: float) -> Any:
    """The moment `seconds` from the database's now, for an update."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


def claim(rows: QuerySet[Any], owner: str, seconds: float, **fields: Any) -> bool:
    """Take the lease of the one row in `rows`; False when somebody else has it."""
    free = rows.filter(FREE | Q(lease_owner=owner))
    return free.update(lease_owner=owner, lease_until=until(seconds), **fields) == 1


def renew(rows: QuerySet[Any], owner: str, seconds: float) -> bool:
    """Keep a lease; False when it was lost meanwhile."""
    return rows.filter(lease_owner=owner).update(lease_until=until(seconds)) == 1


def release(rows: QuerySet[Any], owner: str) -> None:
    """Give a lease back."""
    rows.filter(lease_owner=owner).update(lease_owner="", lease_until=None)
