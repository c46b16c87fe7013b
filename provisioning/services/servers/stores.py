"""Configuration stores: saving, deleting, and the switch between Observe and Manage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.records import StoreRecord
from provisioning.core.text import require_line
from provisioning.drivers.registry import DRIVERS
from provisioning.models import ConfigStore, PendingChange, SipServer
from provisioning.services.actor import Actor
from provisioning.services.console import audit, saving
from provisioning.services.directory.certificates import check_authorities
from provisioning.services.probes.forgetting import forget_probes
from provisioning.services.push import outbox
from provisioning.services.routing.marking import marking_pool_servers
from provisioning.services.servers import connection_test, homes, targets
from provisioning.services.servers.connection_test import StepState

# Where the rows are: another place is another database until somebody looked at it.
_PLACE = ("driver", "dialect", "host", "port", "database")
# To whom the stored password would be sent, and whether anybody could listen.
_TRUST = (*_PLACE, "tls", "ca_pem")
# What decides which rows, and which digests, belong into the store.
_CONTENT = ("pool_id", "algorithm")


def save_store(*, store: ConfigStore, actor: Actor, secret: str | None = None) -> bool:
    """Keep a new or changed store; `secret` None keeps the stored password, empty erases it.

    A stored password never goes to a new place: it is erased when host, port, database, dialect or
    TLS trust changes and no new one is given. A managed store that moves returns to Observe.
    Returns whether a stored password was erased that way.
    """
    tidy(store)
    before = saving.find_stored(store)
    moved = before is not None and _differs(before, store, _PLACE)
    erased = keep_secret_from_strangers(store, before) and secret is None
    if before is None or moved:
        _check_place(store)
    saving.check_fields(store)
    facts = (
        {"password": "erased"} if erased else {"password": "changed"} if secret is not None else {}
    )
    # The mode changes only through set_store_mode, which asks for a green connection test.
    store.mode = ConfigStore.Mode.OBSERVE if before is None or moved else before.mode
    with marking_pool_servers(actor=actor, about=f"store {store}"):
        saving.save(row=store, before=before, actor=actor, **facts)
        if secret is not None:
            store.set_secret(secret)
            store.save(update_fields=["sealed_secret"])
        forget_probes(SipServer.objects.filter(store=store))
        if moved:
            PendingChange.objects.filter(store=store).delete()
        elif (
            store.mode == ConfigStore.Mode.MANAGE and before and before.algorithm != store.algorithm
        ):
            outbox.mark_store(store)
    return erased


def set_store_mode(*, store: ConfigStore, mode: str, actor: Actor) -> None:
    """Switch a store to Observe (always allowed) or to Manage (needs an all-green test).

    Manage asks for everything the console intends; Observe drops what is still waiting.
    """
    if mode not in ConfigStore.Mode:
        raise InvalidInput("A store is either observed or managed.")
    if mode == ConfigStore.Mode.MANAGE:
        _require_green(store)
        _require_room(store)
    with marking_pool_servers(actor=actor, about=f"store {store}"):
        changed = ConfigStore.objects.filter(pk=store.pk).exclude(mode=mode).update(mode=mode)
        store.refresh_from_db(fields=["mode"])
        if not changed:
            return
        if mode == ConfigStore.Mode.MANAGE:
            outbox.mark_store(store)
        else:
            PendingChange.objects.filter(store=store).delete()
        audit.record(actor=actor, action=f"set to {mode}", obj=store)


def delete_store(*, store: ConfigStore, actor: Actor) -> None:
    """Forget a store that is observed and has no servers; its database is left as it is."""
    if store.mode == ConfigStore.Mode.MANAGE:
        raise InvalidInput(
            f"“{store}” is managed. Switch it to Observe first; its rows stay in its database. "
            "Nothing was deleted."
        )
    saving.delete(row=store, actor=actor)


def store_candidate(*, store: ConfigStore, secret: str | None) -> StoreRecord:
    """The record of a store that is perhaps not saved, for a connection test.

    The stored password is used only where nothing changed that it must not be sent to.
    """
    tidy(store)
    keep_secret_from_strangers(store, saving.find_stored(store))
    record = store.as_record()
    return record if secret is None else replace(record, secret=secret)


def keep_secret_from_strangers(store: ConfigStore, before: ConfigStore | None) -> bool:
    """Take the stored password from `store` where it would go elsewhere; whether there was one."""
    if before is None or not _differs(before, store, _TRUST):
        return False
    store.set_secret("")
    return before.sealed_secret is not None


def tidy(store: ConfigStore) -> None:
    """Bring what was typed to its one form; raises InvalidInput where it has none."""
    store.name = require_line(store.name, "The name").strip()
    store.host = require_line(store.host, "The host").strip()
    store.database = require_line(store.database, "The database").strip()
    store.user = require_line(store.user, "The database user").strip()
    store.ca_pem = check_authorities(store.ca_pem, "The certificate authority")
    _check_driver(store)
    if store.dialect == ConfigStore.Dialect.SQLITE:
        store.host, store.user, store.tls, store.ca_pem = "", "", False, ""


def _check_driver(store: ConfigStore) -> None:
    """Raise InvalidFields where the servers can do with neither the database nor the digests."""
    driver = DRIVERS.get(store.driver)
    if driver is None:
        raise InvalidFields({"driver": "Choose one of the drivers that there are."})
    store.served = store.served or driver.only_asks
    refused = {}
    if store.dialect not in driver.dialects:
        names = _in_words(ConfigStore.Dialect(each).label for each in driver.dialects)
        refused["dialect"] = f"The console reaches {driver.label} through {names} only."
    if store.algorithm not in driver.digests:
        refused["algorithm"] = f"{driver.label} verifies {_in_words(driver.digests)}."
    if store.served and driver.serving is None:
        refused["served"] = f"{driver.label} reads its database itself."
    if refused:
        raise InvalidFields(refused)


def _in_words(choices: Iterable[str]) -> str:
    return " or ".join(choices)


def _differs(before: ConfigStore, after: ConfigStore, fields: tuple[str, ...]) -> bool:
    return any(getattr(before, field) != getattr(after, field) for field in fields)


def _check_place(store: ConfigStore) -> None:
    if store.dialect == ConfigStore.Dialect.SQLITE:
        store.database = str(targets.check_sqlite_path(store.database))
    else:
        targets.check_target(host=store.host, port=store.port, what="The database host")


def _require_room(store: ConfigStore) -> None:
    wanted, capacity = homes.wanted_at(store), store.capacity
    if wanted > capacity:
        raise InvalidInput(
            f"“{store}” stays in Observe: {wanted:,} accounts would be written, and its servers "
            f"can do with {capacity:,}. Narrow its scope, share the accounts out among pools, or "
            "let servers ask this console where they can."
        )


def _require_green(store: ConfigStore) -> None:
    for step in connection_test.probe_store(record=store.as_record()):
        if step.state != StepState.OK:
            raise InvalidInput(
                f"“{store}” stays in Observe. {step.name}: {step.detail} {step.advice}".rstrip()
            )
