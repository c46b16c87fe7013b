"""What the rows of all stores are made of, as hashes: says which accounts have changed since."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping

import orjson

from provisioning.models import Account, Alias, ConfigStore, Credential, Number, SipDomain
from provisioning.services import bulk
from provisioning.services.push.desired import BLOCK

# Raise it where rows are made in another way of the same values.
_MAKING = 1


def read_ground() -> Mapping[str, str]:
    """A hash of everything that rows are made of, by blocks of BLOCK accounts.

    Four passes over narrow columns, side by side: joined they take twice as long. Whatever a
    store's rows are derived from (desired.py) is in it or in `terms_of`.
    """
    found = (
        bulk.digests(
            Account._meta.db_table, by=f"id / {BLOCK}", order="id",
            texts=("id", "pool_id", "domain_id", "user_part", "state"),
        ),
        bulk.digests(
            Credential._meta.db_table, by=f"account_id / {BLOCK}", order="account_id",
            texts=("account_id", "auth_user"), seals=("sealed_secret", "sealed_import"),
        ),
        bulk.digests(
            Number._meta.db_table, by=f"account_id / {BLOCK}", order="account_id",
            texts=("account_id", "e164"),
        ),
        bulk.digests(
            Alias._meta.db_table, by=f"account_id / {BLOCK}", order="account_id, id",
            texts=("account_id", "domain_id", "user_part"),
        ),
    )  # fmt: skip
    blocks: defaultdict[str, list[str]] = defaultdict(lambda: [""] * len(found))
    for place, digests in enumerate(found):
        for block, digest in digests.items():
            blocks[str(block)][place] = digest
    return {block: _hash("\n".join(digests)) for block, digests in blocks.items()}


def terms_of(store: ConfigStore) -> str:
    """A hash of the settings that the store's rows are made with."""
    settings = {
        "making": _MAKING,
        "pool": store.pool_id,
        "algorithm": store.algorithm,
        "kinds": sorted(store.scope.kinds),
        "domains": sorted(store.scope.domains),
        "realms": [(each.pk, each.domain, each.realm) for each in SipDomain.objects.order_by("pk")],
    }
    return _hash(orjson.dumps(settings).decode())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
