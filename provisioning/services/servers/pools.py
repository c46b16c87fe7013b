"""Server pools: saving and deleting."""

from __future__ import annotations

import zoneinfo

from django.db import transaction

from provisioning.core.errors import InvalidFields, about
from provisioning.core.text import require_line
from provisioning.core.windows import read_windows
from provisioning.models import ServerPool
from provisioning.services.actor import Actor
from provisioning.services.console import saving


def save_pool(*, pool: ServerPool, actor: Actor) -> None:
    """Keep a new or changed pool, and how changes come to it.

    What waits for the approval that it asked for goes on waiting, whatever it asks for now.
    """
    pool.name = require_line(pool.name, "The name").strip()
    _check_stages(pool)
    saving.check_fields(pool)
    with transaction.atomic():
        saving.save(row=pool, before=saving.find_stored(pool), actor=actor)


def _check_stages(pool: ServerPool) -> None:
    """Bring change windows to their one form; raises InvalidFields where something cannot be."""
    with about("windows"):
        pool.windows = "\n".join(map(str, read_windows(pool.windows)))
    pool.time_zone = pool.time_zone.strip()
    if pool.time_zone and pool.time_zone not in zoneinfo.available_timezones():
        raise InvalidFields({"time_zone": "That is no time zone such as Europe/London."})
    if not pool.staged and (pool.windows or pool.needs_approval):
        raise InvalidFields(
            {"staged": "Change windows and approval are for what goes in stages: switch them on."}
        )


def delete_pool(*, pool: ServerPool, actor: Actor) -> None:
    """Delete a pool that has no server, store, account or rule."""
    saving.delete(row=pool, actor=actor)
