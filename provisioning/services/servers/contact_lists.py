"""Keeping what stores say of live registrations: read on schedule, and written where it changed.

A registration leaves no history: one that is refreshed is changed in place. What is held in memory
is a hash of 8 bytes for each that is known, and one batch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any

import structlog
from django.db.models import Count
from django.db.models.functions import Now

from provisioning.core.errors import Busy, InvalidInput, Rejected, Unreachable
from provisioning.core.records import Registration
from provisioning.core.states import State
from provisioning.core.text import search_key
from provisioning.core.user_agents import family_of
from provisioning.models import Account, ConfigStore, ContactList, RegisteredContact
from provisioning.services import bulk, leases, wake
from provisioning.services.servers import driver_access
from provisioning.services.servers.bare_users import accounts_by_user, is_bare
from provisioning.services.servers.contact_doubts import doubt_of, is_live
from provisioning.services.servers.sockets import Sockets

log = structlog.stdlib.get_logger(__name__)

# Contacts of one transaction.
_BATCH = 5000
_LEASE = 120
_TABLE = RegisteredContact._meta.db_table
_COLUMNS = (
    "store_id", "key", "fingerprint", "server_id", "account_id", "aor", "domain", "contact",
    "received", "transport", "user_agent", "family", "expires_at", "search_key", "since",
)  # fmt: skip
# Since when it is registered is what the first look at it said.
_CHANGED = [name for name in _COLUMNS if name not in ("store_id", "key", "since")]
_LONGEST = 255


def read_all() -> None:
    """Wake a worker for each store whose servers are in use."""
    stores = ConfigStore.objects.filter(servers__enabled=True).distinct().order_by("pk")
    for store_id in stores.values_list("pk", flat=True):
        wake.read_contacts(store_id=store_id)


def read_contacts(*, store_id: int) -> ContactList | None:
    """Read the registrations of one store and keep what changed; None where there is no store.

    Raises Busy while another worker reads them. What goes wrong is kept beside the list, which
    stays as far as it was read before.
    """
    store = ConfigStore.objects.filter(pk=store_id).first()
    if store is None:
        return None
    kept, _ = ContactList.objects.get_or_create(store=store)
    this, owner = ContactList.objects.filter(pk=kept.pk), leases.new_owner()
    if not leases.claim(this, owner, _LEASE):
        raise Busy(f"The registrations of {store} are being read already.")

    def renew() -> None:
        if not leases.renew(this, owner, _LEASE):
            raise Busy(f"Another worker reads the registrations of {store} now.")

    try:
        problem = _Reading(store, renew).read()
        found: dict[str, Any] = {"problem": problem, "known": not problem, "read_at": Now()}
    except (Unreachable, Rejected, InvalidInput) as error:
        log.warning("registrations not read", store=store.name, reason=error.message)
        found = {"problem": error.message, "known": False}
    finally:
        leases.release(this, owner)
    this.update(**found, **_figures(store))
    kept.refresh_from_db()
    return kept


class _Reading:
    """One reading of a store; `renew` keeps it ours."""

    def __init__(self, store: ConfigStore, renew: Callable[[], None]) -> None:
        self._store, self._renew = store, renew
        self._sockets = Sockets(store)
        known = RegisteredContact.objects.filter(store=store).values_list("fingerprint", flat=True)
        self._gone = set(known.iterator(chunk_size=20_000))
        self._first = not self._gone

    def read(self) -> str:
        """Bring what is kept to what the store says; why that may not be all of it."""
        with driver_access.open_store(self._store) as driver:
            stream = driver.registrations()
            if stream is None:
                return f"{self._store} holds no registrations: its servers keep them in memory."
            while batch := list(islice(stream, _BATCH)):
                self._renew()
                self._write(batch)
        self._forget()
        if self._first:
            bulk.analyze(_TABLE)
        return doubt_of(store=self._store)

    def _write(self, batch: Sequence[Registration]) -> None:
        changed: dict[str, tuple[Registration, int]] = {}
        for each in batch:
            fingerprint = _fingerprint(each, self._sockets.server_of(each.socket))
            if fingerprint in self._gone:
                self._gone.discard(fingerprint)
            else:
                changed[each.key] = (each, fingerprint)
        if not changed:
            return
        rows = list(self._rows(changed.values()))
        if self._first:
            bulk.insert_rows(_TABLE, _COLUMNS, rows)
        else:
            bulk.merge_rows(_TABLE, _COLUMNS, rows, key=("store_id", "key"), changed=_CHANGED)

    def _rows(self, found: Collection[tuple[Registration, int]]) -> Iterator[tuple[Any, ...]]:
        aors = {each.aor for each, _ in found}
        accounts = _accounts(aors)
        users = accounts_by_user(store=self._store, users={aor for aor in aors if is_bare(aor)})
        now = int(time.time())
        for each, fingerprint in found:
            aor = each.aor
            account, words = accounts.get(aor, (None, ""))
            those = users.get(aor.lower(), []) if is_bare(aor) else []
            if len(those) == 1:
                account, aor, words = those[0]
            domain = "" if is_bare(aor) else aor.rpartition("@")[2]
            yield (
                self._store.pk, each.key, fingerprint, self._sockets.server_of(each.socket),
                account, aor[:_LONGEST], domain[:_LONGEST], each.contact,
                each.received[:_LONGEST], each.transport[:8], each.user_agent[:_LONGEST],
                _family_of(each.user_agent), _moment(each.expires_at) if each.expires_at else None,
                search_key(words or aor, each.user_agent, each.contact, each.received),
                _moment(min(each.since or now, now)),
            )  # fmt: skip

    def _forget(self) -> None:
        """Delete what the store holds no more; what changed has another fingerprint by now."""
        mine, left = RegisteredContact.objects.filter(store=self._store), iter(self._gone)
        while some := list(islice(left, _BATCH)):
            mine.filter(fingerprint__in=bulk.among_numbers(some)).delete()


# Contacts share a few user agents, and those that came in the same second a time.
_family_of = lru_cache(1000)(family_of)


@lru_cache(10_000)
def _moment(unix_seconds: int) -> Any:
    return bulk.moment(datetime.fromtimestamp(unix_seconds, UTC))


def _accounts(aors: Collection[str]) -> dict[str, tuple[int, str]]:
    """Id and search key of the accounts with these addresses-of-record."""
    found = Account.objects.exclude(state=State.REMOVED).filter(aor__in=bulk.among(aors))
    rows = found.values_list("aor", "pk", "search_key")
    return {aor: (pk, words) for aor, pk, words in rows}


def _figures(store: ConfigStore) -> dict[str, Any]:
    live = RegisteredContact.objects.filter(is_live(), store=store).order_by()
    families = dict(live.values_list("family").annotate(contacts=Count("pk")))
    return {"families": families, "count": sum(families.values())}


def _fingerprint(each: Registration, server_id: int | None) -> int:
    said = "\0".join(
        (each.key, each.aor, each.contact, each.user_agent, each.transport, each.received,
         f"{each.expires_at} {each.since} {server_id}")
    )  # fmt: skip
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), signed=True)
