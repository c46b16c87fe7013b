"""The search indexes of PostgreSQL: made when a table has become large, beside whatever goes on."""

from __future__ import annotations

import structlog
from django.db import connection, models

from provisioning.models import Account, Person
from provisioning.services import bulk

log = structlog.stdlib.get_logger(__name__)

INDEXES: dict[str, type[models.Model]] = {"account_search": Account, "person_search": Person}
# Reading so many rows takes ten milliseconds, and keeping an index of them costs every sync.
LARGE = 20_000
# Any number: it means this work and nothing else in the database.
_LOCK = 7_302_411

_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def index_search() -> list[str]:
    """Make the search indexes that are worth it by now; the names of those that were made.

    Nobody waits for it, neither readers nor writers, and one worker at a time does it. What an
    attempt that was interrupted left behind is made anew. Call outside of a transaction.
    """
    if connection.vendor != "postgresql":
        return []
    missing = [name for name, model in INDEXES.items() if _is_missing(name, model)]
    if not missing or bulk.fetch("SELECT pg_try_advisory_lock(%s)", [_LOCK]) == [(False,)]:
        return []
    try:
        for name in missing:
            table = INDEXES[name]._meta.db_table
            bulk.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            bulk.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON {table} USING gin (search_key gin_trgm_ops)"
            )
            log.info("search index made", index=name)
    finally:
        bulk.fetch("SELECT pg_advisory_unlock(%s)", [_LOCK])
    return missing


def _is_missing(name: str, model: type[models.Model]) -> bool:
    found = bulk.fetch(_IS_VALID, [name])
    return found != [(True,)] and model._default_manager.count() >= LARGE
