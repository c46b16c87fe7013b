"""Applying planned accounts: set-based SQL straight from the plan's rows, outbox in the same transaction."""

from __future__ import annotations

import secrets
from typing import Any

from provisioning.core.account import new_secret
from provisioning.core.states import MEANINGS, State
from provisioning.drivers.base import Kind
from provisioning.models import Account, Credential, Number, Person, ProvisioningLink
from provisioning.models.fields import keyring
from provisioning.services import bulk, outbox
from provisioning.services.plan import TABLE

ACCOUNT, NUMBER, PERSON = Account._meta.db_table, Number._meta.db_table, Person._meta.db_table
CREDENTIAL, LINK = Credential._meta.db_table, ProvisioningLink._meta.db_table
_MINE = "p.run_id = %(run)s AND p.kind = 'account' AND p.ordinal BETWEEN %(first)s AND %(last)s"
_PLANNED = f"{_MINE} AND p.status = 'planned'"
_PERSON = f"{PERSON}.source_id = p.source_id AND {PERSON}.guid = p.subject"
# The account of a plan row: by its person, in the main slot.
_ACCOUNT = (
    f"{ACCOUNT}.slot = 'main' AND {ACCOUNT}.person_id = "
    f"(SELECT id FROM {PERSON} WHERE {_PERSON})"  # noqa: S608
)
_UNUSABLE = ", ".join(
    f"'{state.value}'" for state, meaning in MEANINGS.items() if not meaning.usable
)


def _text(name: str) -> str:
    return f"COALESCE(p.after ->> '{name}', {ACCOUNT}.{name})"


def _reference(name: str) -> str:
    return f"NULLIF(COALESCE(CAST(p.after ->> '{name}' AS bigint), {ACCOUNT}.{name}_id, 0), 0)"


# What became out of date between plan and apply is marked, not forced.
_STALE_UPDATES = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_PLANNED} AND p.action = 'update' AND NOT EXISTS (
    SELECT 1 FROM {ACCOUNT} WHERE {_ACCOUNT} AND {ACCOUNT}.version = p.base_version)
"""  # noqa: S608
_STALE_CREATES = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_PLANNED} AND p.action = 'create' AND (
    NOT EXISTS (SELECT 1 FROM {PERSON} WHERE {_PERSON})
    OR EXISTS (SELECT 1 FROM {ACCOUNT} WHERE {_ACCOUNT})
    OR EXISTS (SELECT 1 FROM {ACCOUNT}
               WHERE {ACCOUNT}.aor = p.after ->> 'aor' AND {ACCOUNT}.state <> 'removed'))
"""  # noqa: S608
_STALE_RENAMES = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_PLANNED} AND p.action = 'update'
  AND p.after ->> 'aor' IS NOT NULL AND EXISTS (
    SELECT 1 FROM {ACCOUNT} WHERE {ACCOUNT}.aor = p.after ->> 'aor' AND {ACCOUNT}.state <> 'removed'
      AND ({ACCOUNT}.person_id IS NULL OR {ACCOUNT}.person_id <> (SELECT id FROM {PERSON} WHERE {_PERSON})))
"""  # noqa: S608
# A number that an account outside this plan has been given meanwhile stays where it is.
_STALE_NUMBERS = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_PLANNED} AND p.after ->> 'number' <> '' AND EXISTS (
    SELECT 1 FROM {NUMBER} n
    LEFT JOIN {ACCOUNT} owner ON owner.id = n.account_id
    LEFT JOIN {PERSON} holder ON holder.id = owner.person_id
    LEFT JOIN {TABLE} q ON q.kind = 'account' AND q.key = holder.guid || '/main' AND q.run_id = %(run)s
        AND q.source_id = holder.source_id AND q.status IN ('planned', 'applied')
        AND q.after ->> 'number' IS NOT NULL
    WHERE n.e164 = p.after ->> 'number'
      AND (n.state = 'used elsewhere' OR (n.account_id IS NOT NULL AND q.id IS NULL)))
"""  # noqa: S608
# What follows from a person whose own row is out of date is out of date too.
_STALE_FOLLOWERS = f"""
UPDATE {TABLE} AS p SET status = 'stale' WHERE {_PLANNED} AND EXISTS (
    SELECT 1 FROM {TABLE} q WHERE q.kind = 'person' AND q.key = p.subject AND q.run_id = %(run)s
      AND q.source_id = p.source_id AND q.status = 'stale')
"""  # noqa: S608

_CREATE = f"""
INSERT INTO {ACCOUNT} (person_id, slot, kind, domain_id, user_part, aor, name, pool_id, site_id, rule_id,
    profile_id, state, state_since, blocked, blocked_reason, responsible, name_key, search_key, version,
    created_at, changed_at)
SELECT {PERSON}.id, 'main', 'person', CAST(p.after ->> 'domain' AS bigint), p.after ->> 'user_part',
    p.after ->> 'aor', p.after ->> 'name', CAST(p.after ->> 'pool' AS bigint),
    NULLIF(CAST(p.after ->> 'site' AS bigint), 0), NULLIF(CAST(p.after ->> 'rule' AS bigint), 0),
    NULLIF(CAST(p.after ->> 'profile' AS bigint), 0), p.after ->> 'state', %(now)s, FALSE, '', '',
    p.after ->> 'name_key', p.after ->> 'search_key', 1, %(now)s, %(now)s
FROM {TABLE} p JOIN {PERSON} ON {_PERSON} WHERE {_PLANNED} AND p.action = 'create'
"""  # noqa: S608

_UPDATE = f"""
UPDATE {ACCOUNT} SET
    user_part = {_text("user_part")}, aor = {_text("aor")}, name = {_text("name")}, state = {_text("state")},
    name_key = {_text("name_key")}, search_key = {_text("search_key")},
    domain_id = {_reference("domain")}, pool_id = {_reference("pool")}, site_id = {_reference("site")},
    rule_id = {_reference("rule")}, profile_id = {_reference("profile")},
    state_since = CASE WHEN p.after ->> 'state' IS NULL THEN {ACCOUNT}.state_since ELSE %(now)s END,
    grace_until = CASE WHEN p.after ->> 'state' IS NULL THEN {ACCOUNT}.grace_until
                       WHEN p.after ->> 'state' = 'grace' THEN %(grace)s END,
    version = {ACCOUNT}.version + 1, changed_at = %(now)s
FROM {TABLE} p WHERE {_PLANNED} AND p.action = 'update' AND {_ACCOUNT}
"""  # noqa: S608

# A credential's user name follows its account's; the version tells clients to fetch again.
_RENAME_CREDENTIALS = f"""
UPDATE {CREDENTIAL} SET auth_user = {ACCOUNT}.user_part, version = {CREDENTIAL}.version + 1
FROM {ACCOUNT}, {TABLE} p
WHERE {_PLANNED} AND p.action = 'update' AND p.after ->> 'user_part' IS NOT NULL AND {_ACCOUNT}
  AND {CREDENTIAL}.account_id = {ACCOUNT}.id
"""  # noqa: S608

_NUMBERED = f"{_PLANNED} AND p.after ->> 'number' IS NOT NULL"
_RELEASE = f"""
UPDATE {NUMBER} SET account_id = NULL, state = 'free', changed_at = %(now)s
WHERE account_id IN (SELECT {ACCOUNT}.id FROM {TABLE} p, {ACCOUNT} WHERE {_NUMBERED} AND {_ACCOUNT})
   OR e164 IN (SELECT p.after ->> 'number' FROM {TABLE} p WHERE {_NUMBERED} AND p.after ->> 'number' <> '')
"""  # noqa: S608
_ADD_NUMBERS = f"""
INSERT INTO {NUMBER} (e164, state, note, changed_at)
SELECT p.after ->> 'number', 'free', '', %(now)s FROM {TABLE} p
WHERE {_NUMBERED} AND p.after ->> 'number' <> ''
ON CONFLICT (e164) DO NOTHING
"""  # noqa: S608
_ASSIGN = f"""
UPDATE {NUMBER} SET account_id = {ACCOUNT}.id,
    state = CASE WHEN {ACCOUNT}.state = 'prepared' THEN 'reserved' ELSE 'assigned' END, changed_at = %(now)s
FROM {TABLE} p, {ACCOUNT}
WHERE {_NUMBERED} AND {_ACCOUNT} AND {NUMBER}.e164 = p.after ->> 'number'
"""  # noqa: S608
_REVOKE_LINKS = f"""
UPDATE {LINK} SET revoked_at = %(now)s WHERE revoked_at IS NULL AND account_id IN (
    SELECT {ACCOUNT}.id FROM {TABLE} p, {ACCOUNT}
    WHERE {_PLANNED} AND p.action = 'update' AND {_ACCOUNT}
      AND (p.after ->> 'state' IN ({_UNUSABLE}) OR p.after ->> 'user_part' IS NOT NULL))
"""  # noqa: S608


def mark_stale_accounts(window: dict[str, Any]) -> None:
    """Take rows out of the plan that no longer fit what is; they are planned anew by the next run."""
    stale = (_STALE_FOLLOWERS, _STALE_UPDATES, _STALE_CREATES, _STALE_RENAMES, _STALE_NUMBERS)
    for statement in stale:
        bulk.execute(statement, window)


def apply_accounts(window: dict[str, Any]) -> None:
    """Make the accounts, credentials and numbers of one window of a plan so, and mark what must be pushed.

    Call inside a transaction. Numbers are released before they are assigned, so that owners can swap.
    """
    keys = _push_keys(window)
    created = bulk.execute(_CREATE, window)
    bulk.execute(_UPDATE, window)
    bulk.execute(_RENAME_CREDENTIALS, window)
    if created:
        _add_credentials()
    for statement in (_RELEASE, _ADD_NUMBERS, _ASSIGN, _REVOKE_LINKS):
        bulk.execute(statement, window)
    stores = outbox.manageable_stores()
    for kind, wanted in keys.items():
        outbox.mark(store_ids=stores, kind=kind, keys=wanted)


def _add_credentials() -> None:
    """Give every account without a credential its own random secret, sealed."""
    bare = Account.objects.filter(credential__isnull=True).exclude(state=State.REMOVED)
    ring, now = keyring(), bulk.moment()

    def rows() -> Any:
        for account_id, user_part in list(bare.values_list("id", "user_part")):
            uid = secrets.token_hex(16)
            yield account_id, uid, user_part, ring.seal(new_secret(), Credential.place(uid)), 1, now

    columns = ("account_id", "uid", "auth_user", "sealed_secret", "version", "rotated_at")
    bulk.insert_rows(CREDENTIAL, columns, rows())


def _push_keys(window: dict[str, Any]) -> dict[Kind, list[str]]:
    """Server-side keys that the window changes, old and new; more than the outbox's bulk size end the search."""
    rows = bulk.fetch(
        f"""SELECT p.before ->> 'aor', p.after ->> 'aor', p.before ->> 'number', p.after ->> 'number',
                   {ACCOUNT}.aor, {NUMBER}.e164
            FROM {TABLE} p
            LEFT JOIN {PERSON} ON {_PERSON}
            LEFT JOIN {ACCOUNT} ON {ACCOUNT}.person_id = {PERSON}.id AND {ACCOUNT}.slot = 'main'
            LEFT JOIN {NUMBER} ON {NUMBER}.account_id = {ACCOUNT}.id
            WHERE {_PLANNED} AND (p.action = 'create' OR p.after ->> 'state' IS NOT NULL
              OR p.after ->> 'aor' IS NOT NULL OR p.after ->> 'number' IS NOT NULL
              OR p.after ->> 'pool' IS NOT NULL)
            LIMIT {outbox.BULK + 1}""",  # noqa: S608
        window,
    )
    aors: set[str] = set()
    aliases: set[str] = set()
    for old_aor, new_aor, old_number, new_number, aor, number in rows:
        mine = {each for each in (old_aor, new_aor, aor) if each}
        aors |= mine
        domains = {each.partition("@")[2] for each in mine}
        numbers = {each for each in (old_number, new_number, number) if each}
        aliases |= {outbox.alias_key(each, domain) for each in numbers for domain in domains}
    if len(rows) > outbox.BULK:
        everything = ["*"] * (outbox.BULK + 1)
        return {Kind.SUBSCRIBER: everything, Kind.ALIAS: everything}
    return {Kind.SUBSCRIBER: sorted(aors), Kind.ALIAS: sorted(aliases)}
