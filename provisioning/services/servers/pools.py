"""Server pools: saving and deleting."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.text import require_line
from provisioning.models import ServerPool
from provisioning.services.actor import Actor
from provisioning.services.console import saving


def save_pool(*, pool: ServerPool, actor: Actor) -> None:
    """Keep a new or renamed pool."""
    pool.name = require_line(pool.name, "The name").strip()
    saving.check_fields(pool)
    with transaction.atomic():
        saving.save(row=pool, before=saving.find_stored(pool), actor=actor)


def delete_pool(*, pool: ServerPool, actor: Actor) -> None:
    """Delete a pool that has no server, store, account or rule."""
    saving.delete(row=pool, actor=actor)
