"""Applying planned accounts: set-based SQL straight from the plan's rows, outbox included."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provisioning.core.account import new_secret
from provisioning.core.states import MEANINGS
from provisioning.drivers.base import Kind
from provisioning.models import (
    AccountRule,
    Credential,
    DirectorySource,
    PendingChange,
    ProvisioningLink,
)
from provisioning.models.fields import keyring
from provisioning.services import bulk
from provisioning.services.push import outbox
from provisioning.services.runs.apply_people import PERSON
from provisioning.services.runs.apply_renames import (
    aliases_of_changed,
    end_replaced,
    make_way,
    withdraw_proposals,
)
from provisioning.services.runs.plan import TABLE
from provisioning.services.runs.stale_accounts import (
    ACCOUNT,
    ITS_ACCOUNT,
    ITS_PERSON,
    NUMBER,
    PLANNED,
    mark_stale_accounts,
    mark_stale_creates,
)

_CREDENTIAL, _LINK = Credential._meta.db_table, ProvisioningLink._meta.db_table
_UNUSABLE = ", ".join(f"'{s.value}'" for s, meaning in MEANINGS.items() if not meaning.usable)


def _text(name: str) -> str:
    return f"COALESCE(p.after ->> '{name}', {ACCOUNT}.{name})"


def _reference(name: str) -> str:
    return f"NULLIF(COALESCE(CAST(p.after ->> '{name}' AS bigint), {ACCOUNT}.{name}_id, 0), 0)"


_CREATE = f"""
INSERT INTO {ACCOUNT} (person_id, slot, kind, domain_id, user_part, aor, name, pool_id, site_id,
    rule_id, profile_id, state, state_since, blocked, blocked_reason, responsible, name_key,
    search_key, version, created_at, changed_at)
SELECT {PERSON}.id, 'main', p.after ->> 'kind', CAST(p.after ->> 'domain' AS bigint),
    p.after ->> 'user_part', p.after ->> 'aor', p.after ->> 'name',
    CAST(p.after ->> 'pool' AS bigint), NULLIF(CAST(p.after ->> 'site' AS bigint), 0),
    NULLIF(CAST(p.after ->> 'rule' AS bigint), 0), NULLIF(CAST(p.after ->> 'profile' AS bigint), 0),
    p.after ->> 'state', %(now)s, FALSE, '', '', p.after ->> 'name_key', p.after ->> 'search_key',
    1, %(now)s, %(now)s
FROM {TABLE} p JOIN {PERSON} ON {ITS_PERSON} WHERE {PLANNED} AND p.action = 'create'
"""  # noqa: S608
# As long as the rule that the account has says, or else its source.
_GRACE_DAYS = f"""
COALESCE((SELECT grace_days FROM {AccountRule._meta.db_table} WHERE id = {ACCOUNT}.rule_id),
         (SELECT grace_days FROM {DirectorySource._meta.db_table} WHERE id = p.source_id))
"""  # noqa: S608
_UPDATE = f"""
UPDATE {ACCOUNT} SET
    user_part = {_text("user_part")}, aor = {_text("aor")}, name = {_text("name")},
    kind = {_text("kind")}, state = {_text("state")}, name_key = {_text("name_key")},
    search_key = {_text("search_key")},
    domain_id = {_reference("domain")}, pool_id = {_reference("pool")},
    site_id = {_reference("site")}, rule_id = {_reference("rule")},
    profile_id = {_reference("profile")},
    state_since = CASE WHEN p.after ->> 'state' IS NULL THEN {ACCOUNT}.state_since
                       ELSE %(now)s END,
    grace_until = CASE WHEN p.after ->> 'state' IS NULL THEN {ACCOUNT}.grace_until
                       WHEN p.after ->> 'state' = 'grace' THEN {{grace_until}} END,
    version = {ACCOUNT}.version + 1, changed_at = %(now)s
FROM {TABLE} p WHERE {PLANNED} AND p.action = 'update' AND {ITS_ACCOUNT}
"""  # noqa: S608

_BARE = f"""
SELECT {ACCOUNT}.id, {ACCOUNT}.user_part FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
WHERE {PLANNED} AND p.action = 'update' AND NOT EXISTS (
    SELECT 1 FROM {_CREDENTIAL} WHERE {_CREDENTIAL}.account_id = {ACCOUNT}.id)
"""  # noqa: S608
# A credential's user name follows its account's; the version tells clients to fetch again.
_RENAME_CREDENTIALS = f"""
UPDATE {_CREDENTIAL} SET auth_user = {ACCOUNT}.user_part, version = {_CREDENTIAL}.version + 1
FROM {ACCOUNT}, {TABLE} p
WHERE {PLANNED} AND p.action = 'update' AND p.after ->> 'aor' IS NOT NULL AND {ITS_ACCOUNT}
  AND {_CREDENTIAL}.account_id = {ACCOUNT}.id
"""  # noqa: S608
_REVOKE_LINKS = f"""
UPDATE {_LINK} SET revoked_at = %(now)s WHERE revoked_at IS NULL AND account_id IN (
    SELECT {ACCOUNT}.id FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
    WHERE {PLANNED} AND p.action = 'update'
      AND (p.after ->> 'state' IN ({_UNUSABLE}) OR p.after ->> 'aor' IS NOT NULL))
"""  # noqa: S608

_NUMBERED = f"{PLANNED} AND p.after ->> 'number' IS NOT NULL"
# A prepared account's number is reserved until the account is used.
_NUMBER_STATE = f"CASE WHEN {ACCOUNT}.state = 'prepared' THEN 'reserved' ELSE 'assigned' END"
_RELEASE = f"""
UPDATE {NUMBER} SET account_id = NULL, state = 'quarantined', quarantined_until = %(quarantine)s,
    changed_at = %(now)s
WHERE account_id IN (SELECT {ACCOUNT}.id FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
                     WHERE {_NUMBERED} AND p.action = 'update')
"""  # noqa: S608
# Whoever has the number until now gives it up within the same plan.
_ASSIGN = f"""
INSERT INTO {NUMBER} (e164, account_id, state, note, changed_at)
SELECT p.after ->> 'number', {ACCOUNT}.id, {_NUMBER_STATE}, '', %(now)s
FROM {TABLE} p JOIN {ACCOUNT} ON {ITS_ACCOUNT}
WHERE {_NUMBERED} AND p.after ->> 'number' <> ''
ON CONFLICT (e164) DO UPDATE SET
    account_id = excluded.account_id, state = excluded.state, changed_at = excluded.changed_at,
    quarantined_until = NULL
"""  # noqa: S608
_RESTATE = f"""
UPDATE {NUMBER} SET state = {_NUMBER_STATE}, changed_at = %(now)s
FROM {TABLE} p, {ACCOUNT}
WHERE {PLANNED} AND p.action = 'update' AND p.after ->> 'state' IS NOT NULL AND {ITS_ACCOUNT}
  AND {NUMBER}.account_id = {ACCOUNT}.id
"""  # noqa: S608

_CHANGED_KEYS = f"""
SELECT p.before ->> 'aor', p.after ->> 'aor', p.before ->> 'number', p.after ->> 'number',
       {ACCOUNT}.aor, {NUMBER}.e164
FROM {TABLE} p
LEFT JOIN {PERSON} ON {ITS_PERSON}
LEFT JOIN {ACCOUNT} ON {ACCOUNT}.person_id = {PERSON}.id AND {ACCOUNT}.slot = 'main'
LEFT JOIN {NUMBER} ON {NUMBER}.account_id = {ACCOUNT}.id
WHERE {PLANNED} AND (p.action = 'create' OR p.after ->> 'state' IS NOT NULL
    OR p.after ->> 'aor' IS NOT NULL OR p.after ->> 'number' IS NOT NULL
    OR p.after ->> 'pool' IS NOT NULL OR p.after ->> 'site' IS NOT NULL)
LIMIT {outbox.BULK + 1}
"""  # noqa: S608

Keys = Mapping[Kind, Sequence[str]]
_ALL_KEYS: Keys = {kind: [PendingChange.ALL] for kind in (Kind.SUBSCRIBER, Kind.ALIAS)}


def apply_accounts(window: dict[str, Any], planned: Counter[str]) -> tuple[bool, Keys]:
    """Make the accounts, credentials and numbers of one window of a plan so.

    Call inside a transaction, and `mark_pushes` after it. Numbers are released, into quarantine,
    before they are assigned, so that owners can swap and only what nobody gets stays there.
    `planned` counts the window's rows by kind and action. Returns whether some rows did not fit any
    more, which are marked as out of date, and what to push.
    """
    changes = planned["account.update"] > 0
    stale = mark_stale_accounts(window, changes=changes)
    creates = planned["account.create"]
    with ThreadPoolExecutor(1) as beside:  # sealing needs no database, which is at work meanwhile
        sealing = beside.submit(_sealed_secrets, creates)
        keys = _ALL_KEYS if creates > outbox.BULK else _push_keys(window, changes=changes)
        new = bulk.insert_new(_CREATE, window, "id", "user_part") if creates else ()
    if len(new) < creates:
        stale += mark_stale_creates(window)
    if changes:
        _change(window)
    _add_credentials(new, sealing.result())
    if changes:
        bare = bulk.fetch(_BARE, window)
        _add_credentials(bare, _sealed_secrets(len(bare)))
    bulk.execute(_ASSIGN, window)
    for statement in (_RESTATE, _REVOKE_LINKS) if changes else ():
        bulk.execute(statement, window)
    if planned["account.withdraw"]:
        withdraw_proposals(window)
    return stale > 0, keys


def mark_pushes(keys: Keys) -> None:
    """Ask for `keys` of each kind where they concern, in the transaction of `apply_accounts`."""
    for kind, wanted in keys.items():
        outbox.mark_concerned(kind=kind, keys=wanted)


def _change(window: dict[str, Any]) -> None:
    """Change the accounts of a window and let go of the numbers that they give up."""
    renames = make_way(window)
    bulk.execute(_UPDATE.format(grace_until=bulk.days_later(_GRACE_DAYS)), window)
    bulk.execute(_RELEASE, window)
    if renames:
        bulk.execute(_RENAME_CREDENTIALS, window)
        end_replaced(window)


def _sealed_secrets(count: int) -> list[tuple[str, bytes]]:
    """So many random secrets, each sealed for a credential with the uid before it."""
    ring = keyring()
    uids = [secrets.token_hex(16) for _ in range(count)]
    return [(uid, ring.seal(new_secret(), Credential.place(uid))) for uid in uids]


def _add_credentials(
    accounts: Sequence[tuple[Any, ...]], sealed: Sequence[tuple[str, bytes]]
) -> None:
    """Give each account (id, user part) one of the `sealed` secrets, of which there are enough."""
    now = bulk.moment()
    columns = ("account_id", "uid", "auth_user", "sealed_secret", "version", "rotated_at")
    rows = [
        (account_id, uid, user_part, secret, 1, now)
        for (account_id, user_part), (uid, secret) in zip(accounts, sealed, strict=False)
    ]
    if rows:
        bulk.insert_rows(_CREDENTIAL, columns, rows)


def _push_keys(window: dict[str, Any], *, changes: bool) -> Keys:
    """Server-side keys that the window changes, old and new; too many for the outbox become all."""
    rows = bulk.fetch(_CHANGED_KEYS, window)
    if len(rows) > outbox.BULK:
        return _ALL_KEYS
    aors: set[str] = set()
    aliases = aliases_of_changed(window) if changes else set()
    for old_aor, new_aor, old_number, new_number, aor, number in rows:
        mine = {each for each in (old_aor, new_aor, aor) if each}
        aors |= mine
        aliases |= {each for each in (old_aor, new_aor) if each and old_aor}
        domains = {each.partition("@")[2] for each in mine}
        numbers = {each for each in (old_number, new_number, number) if each}
        aliases |= {outbox.alias_key(each, domain) for each in numbers for domain in domains}
    return {Kind.SUBSCRIBER: sorted(aors), Kind.ALIAS: sorted(aliases)}
