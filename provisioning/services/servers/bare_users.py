"""Whose a registration is where a server keeps no SIP domains (usrloc with use_domain=0).

Such a store names the user part alone. It is somebody's where one account of the store's pool has
it, in whichever of its SIP domains; otherwise nobody can tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from provisioning.core.states import State
from provisioning.models import Account, ConfigStore, RegisteredContact
from provisioning.services import bulk


def is_bare(aor: str) -> bool:
    """Whether an address has no SIP domain."""
    return "@" not in aor


def accounts_by_user(
    *, store: ConfigStore, users: Collection[str]
) -> dict[str, list[tuple[int, str, str]]]:
    """(id, address-of-record, search key) of the accounts at home there with each user part."""
    found: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    if not users:
        return found
    rows = Account.objects.exclude(state=State.REMOVED).filter(
        pool_id=store.pool_id, user_part__in=bulk.among({user.lower() for user in users})
    )
    if store.scope.domains:
        rows = rows.filter(domain__in=list(store.scope.domains))
    for user, account, aor, words in rows.values_list("user_part", "pk", "aor", "search_key"):
        found[user].append((account, aor, words))
    return found


def note_ambiguous(contacts: Iterable[RegisteredContact]) -> None:
    """Note at each contact of nobody's how many accounts it may be of (`may_be`).

    A query for each store that keeps no SIP domains.
    """
    bare: dict[ConfigStore, list[RegisteredContact]] = defaultdict(list)
    for each in contacts:
        if each.account_id is None and is_bare(each.aor):
            bare[each.store].append(each)
    for store, some in bare.items():
        accounts = accounts_by_user(store=store, users={each.aor for each in some})
        for each in some:
            each.may_be = len(accounts.get(each.aor.lower(), ()))
