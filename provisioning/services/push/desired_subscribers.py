"""The credentials that a store should hold, made of the accounts' sealed secrets at each push."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provisioning.core.sealing import SealBroken
from provisioning.core.sip import ImportedDigest, ha1
from provisioning.core.states import MEANINGS
from provisioning.drivers.base import Row, SubscriberRow
from provisioning.models import ConfigStore, Credential, SipDomain
from provisioning.models.fields import keyring

_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]


def subscriber_rows(
    *, store: ConfigStore, values: Sequence[tuple[Any, ...]]
) -> tuple[dict[str, Row], dict[str, str]]:
    """The rows of accounts (desired.py has their columns), and why some cannot be made, by key."""
    rows: dict[str, Row] = {}
    failed: dict[str, str] = {}
    realms = {domain.pk: (domain.domain, domain.realm) for domain in SipDomain.objects.all()}
    algorithm, adds_sha256 = store.main_algorithm, store.adds_sha256
    ring = keyring()
    for user, domain_id, state, uid, auth_user, sealed, imported, *_ in values:
        domain, realm = realms[domain_id]
        key, row = f"{user}@{domain}", SubscriberRow(user, domain, None)
        try:
            if state in _USABLE and sealed is not None:
                secret = ring.open(bytes(sealed), Credential.place(uid))
                row = SubscriberRow(
                    user, domain, ha1(auth_user, realm, secret, algorithm), None, None,
                    ha1(auth_user, realm, secret, "SHA-256") if adds_sha256 else None,
                    auth_user, realm,
                )  # fmt: skip
            elif state in _USABLE and imported is not None:
                text = ring.open(bytes(imported), Credential.place_of_import(uid))
                digest = ImportedDigest.from_text(text)
                if not digest.fits(user=auth_user, realm=realm, algorithm=algorithm):
                    failed[key] = _unfit(digest, auth_user, realm, algorithm)
                    continue
                sha256 = digest.sha256 if adds_sha256 else ""
                row = SubscriberRow(
                    user, domain, digest.ha1, digest.ha1b or None, None, sha256 or None,
                    auth_user, realm,
                )  # fmt: skip
        except SealBroken as error:
            failed[key] = error.message
            continue
        rows[key] = row
    return rows, failed


def _unfit(digest: ImportedDigest, user: str, realm: str, algorithm: str) -> str:
    """Why an imported digest verifies nobody as things are now."""
    return (
        f"It was taken over without its clear text, for the user name {digest.user}, the realm "
        f"{digest.realm} and {digest.algorithm}; now it is {user}, {realm} and {algorithm}. What "
        "stands at the server was left as it is. Give the account a new credential; its clients "
        "must then fetch their profile again."
    )
