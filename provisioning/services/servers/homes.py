"""Whether a pool would serve the accounts that are to be at home there: asked before they move."""

from __future__ import annotations

from collections.abc import Sequence

from provisioning.core.states import MEANINGS
from provisioning.drivers.base import Kind
from provisioning.models import Account, ConfigStore, Credential, ServerPool, SipDomain
from provisioning.services.bulk import among_numbers
from provisioning.services.servers.scope import narrow

_ON_SERVER = [state.value for state, meaning in MEANINGS.items() if meaning.on_server]


def find_refused(*, pool: ServerPool, account_ids: Sequence[int]) -> dict[int, str]:
    """The accounts that would lose their service by moving to `pool`, each with the reason.

    They lie outside of what is managed there, their credential does not fit, or with all of them
    there would be more than the servers can do with. A pool of which nothing is managed refuses
    nobody: the former one goes on serving them.
    """
    outside = find_outside(pool=pool, account_ids=account_ids)
    refused = _unfit(pool, account_ids) | dict.fromkeys(outside, said_outside(pool))
    others = [pk for pk in account_ids if pk not in refused]
    if others and (full := find_full(pool=pool, account_ids=others)):
        refused |= dict.fromkeys(others, full)
    return refused


def find_outside(*, pool: ServerPool, account_ids: Sequence[int]) -> set[int]:
    """Those of the accounts that no managed store of `pool` would write; of none, nobody."""
    stores = _managed(pool)
    outside = set(account_ids) if stores else set()
    rows = Account.objects.filter(pk__in=among_numbers(account_ids))
    for store in stores:
        if not outside:
            break
        outside.difference_update(narrow(store, Kind.SUBSCRIBER, rows).values_list("pk", flat=True))
    return outside


def said_outside(pool: ServerPool) -> str:
    """Why an account that `find_outside` names does not move to `pool`."""
    names = " and ".join(store.name for store in _managed(pool))
    return (
        f"Nobody at {pool} would serve what lies outside of the managed scope of {names}. Widen "
        "the scope first."
    )


def find_full(*, pool: ServerPool, account_ids: Sequence[int], new: int = 0) -> str:
    """Why `pool` cannot take these accounts and so many `new` ones; empty where it can."""
    coming = Account.objects.filter(pk__in=among_numbers(account_ids)).exclude(pool=pool)
    for store in _managed(pool):
        there = wanted_at(store)
        more = narrow(store, Kind.SUBSCRIBER, coming).count() + new
        if more and there + more > store.capacity:
            return (
                f"The servers of {store} can do with {store.capacity:,} accounts. At home there: "
                f"{there:,}; they would come on top: {more:,}."
            )
    return ""


def wanted_at(store: ConfigStore) -> int:
    """How many accounts are written at `store`, or would be if it were managed."""
    accounts = Account.objects.filter(pool=store.pool_id, state__in=_ON_SERVER)
    return narrow(store, Kind.SUBSCRIBER, accounts).count()


def _managed(pool: ServerPool) -> list[ConfigStore]:
    return list(
        ConfigStore.objects.filter(pool=pool, mode=ConfigStore.Mode.MANAGE).order_by("name")
    )


def _unfit(pool: ServerPool, account_ids: Sequence[int]) -> dict[int, str]:
    """Who could not register there: what was taken over without its clear text may not fit."""
    stores = _managed(pool)
    realms = {domain.pk: domain.realm for domain in SipDomain.objects.all()}
    credentials = Credential.objects.filter(
        account__in=among_numbers(account_ids), sealed_secret=None, sealed_import__isnull=False
    ).select_related("account")
    found: dict[int, str] = {}
    for credential in credentials.iterator():
        digest = credential.imported()
        realm = realms[credential.account.domain_id]
        for store in stores:
            if digest is not None and not digest.fits(
                user=credential.auth_user, realm=realm, algorithm=store.main_algorithm
            ):
                found[credential.account_id] = (
                    f"Its credential was taken over and does not fit {store}: give it a new "
                    "credential first."
                )
    return found
