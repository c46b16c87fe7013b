"""The set-based statements of accounts: an endpoint, its auth and its AOR are one row here.

PostgreSQL only. Parameters are those of Incoming: `incoming` is a table of what was handed over.
"""

from __future__ import annotations

from provisioning.drivers.asterisk.accounts import COLUMNS, DEFAULT_REALM, LIKE_UNUSABLE, OPTIONAL
from provisioning.drivers.base import ENDING
from provisioning.drivers.database.connection import Rendered
from provisioning.drivers.database.statements import Incoming

WRITTEN = Incoming("postgresql", COLUMNS, OPTIONAL)
"""Whole rows, as `accounts.values_of` makes them."""
NAMED = Incoming("postgresql", ("id", "user"))
"""Keys, and their user parts."""


def _source(incoming: Incoming) -> str:
    """`incoming` in SQL, with `n` from 0."""
    names = ", ".join(f'"{name}"' for name in incoming.columns)
    lines = ", ".join(
        f"string_to_array(%(rows_{name})s::text, E'\\n')" for name in incoming.columns
    )
    fields = ", ".join(
        f'coalesce("{name}", \'\') AS "{name}"' if name in incoming.optional else f'"{name}"'
        for name in incoming.columns
    )
    return (
        f"(SELECT {fields}, n - 1 AS n "
        f"FROM unnest({lines}) WITH ORDINALITY AS each({names}, n)) AS i"
    )


_KEY = (
    "CASE WHEN e.id LIKE '%%@%%' THEN e.id "
    f"ELSE e.id || '@' || coalesce(nullif(a.realm, ''), '{DEFAULT_REALM}') END"
)
_ENDPOINTS = "ps_endpoints AS e LEFT JOIN ps_auths AS a ON a.id = e.auth"
# By the index of ids; the second condition tells whose a bare id is.
_IS = f'e.id = ANY (ARRAY[i.id, i."user"]) AND {_KEY} = i.id'
_READ = f"{_KEY}, a.username, a.realm, a.password_digest, a.md5_cred, a.password"

_LOCKED = f"a.username LIKE '{LIKE_UNUSABLE.replace('%', '%%')}'"
_WANTED_LOCKED = f"i.username LIKE '{LIKE_UNUSABLE.replace('%', '%%')}'"
# One unusable credential is as good as another. Where no algorithms are told, MD5 is offered.
_DIFFERS = f"""(
    a.realm IS DISTINCT FROM i.realm
    OR a.password IS DISTINCT FROM nullif(i.password, '')
    OR NOT coalesce({_LOCKED} AND {_WANTED_LOCKED}, false) AND (
        a.username IS DISTINCT FROM i.username
        OR a.password_digest IS DISTINCT FROM nullif(i.password_digest, '')
        OR coalesce(nullif(a.supported_algorithms_uas, ''), 'MD5')
           <> coalesce(nullif(i.algorithms, ''), 'MD5')
    )
)"""
_MISSING_AOR = (
    "position(',' in coalesce(e.aors, '')) = 0 "
    "AND NOT EXISTS (SELECT FROM ps_aors AS r WHERE r.id = e.aors)"
)


def _rendered(text: str) -> Rendered:
    return Rendered(text, {})


PAGE = _rendered(
    f"SELECT e.id, {_READ} FROM {_ENDPOINTS} WHERE e.id > %(last)s ORDER BY e.id LIMIT %(page)s"
)
"""Every account by pages, in the order of endpoint ids."""

ACCOUNTS = _rendered(
    f"SELECT e.id, {_READ} FROM {_ENDPOINTS} "
    "WHERE e.id > %(last)s AND coalesce(e.auth, '') <> '' ORDER BY e.id LIMIT %(page)s"
)
"""The same of those that somebody can register with: a trunk authenticates nobody."""

THOSE = _rendered(f"SELECT {_READ} FROM {_source(NAMED)} JOIN ({_ENDPOINTS}) ON {_IS}")

DIFFERING = _rendered(
    f"SELECT i.n, e.id IS NOT NULL, {_READ} "
    f"FROM {_source(WRITTEN)} LEFT JOIN ({_ENDPOINTS}) ON {_IS} "
    f"WHERE e.id IS NULL OR a.id IS NULL OR {_MISSING_AOR} OR {_DIFFERS}"
)
"""`n` of the rows that MERGE would write, and what stands there."""

_ENDING = f"right(substring({_KEY} from '^(.*)@'), {ENDING})"
_SHOWN = ", ".join(
    f"coalesce({name}::text, E'\\x1e')"
    for name in (
        "e.id", "e.auth", "e.aors", "r.id", "a.username", "a.realm", "a.password_digest",
        "a.supported_algorithms_uas", "a.md5_cred", "a.password",
    )
)  # fmt: skip
DIGESTS = _rendered(
    f'SELECT {_ENDING} COLLATE "C", encode(sha256(convert_to(string_agg('
    f"concat_ws(E'\\x1f', {_SHOWN}), E'\\n' ORDER BY e.id), 'UTF8')), 'hex') "
    f"FROM {_ENDPOINTS} LEFT JOIN ps_aors AS r ON r.id = e.aors GROUP BY 1"
)
"""The endings of user parts, and a hash over all that DIFFERING looks at of their accounts."""

MERGE = [
    _rendered(text)
    for text in (
        # New accounts. What else an endpoint or an AOR needs, the columns' defaults say.
        f"INSERT INTO ps_endpoints (id, aors, auth, context) "
        f"SELECT i.id, i.id, i.id, i.domain FROM {_source(WRITTEN)} WHERE NOT EXISTS "
        f"(SELECT FROM {_ENDPOINTS} WHERE {_IS}) ORDER BY i.id",
        # Accounts whose auth or AOR was taken away.
        f"UPDATE ps_endpoints AS t SET auth = CASE WHEN a.id IS NULL THEN e.id ELSE e.auth END, "
        f"aors = coalesce(nullif(e.aors, ''), e.id) FROM {_source(WRITTEN)}, {_ENDPOINTS} "
        f"WHERE t.id = e.id AND {_IS} AND (a.id IS NULL AND e.auth IS DISTINCT FROM e.id "
        f"OR coalesce(e.aors, '') = '')",
        "INSERT INTO ps_auths (id, username, realm, password_digest, password, "
        "supported_algorithms_uas, supported_algorithms_uac) "
        "SELECT e.auth, i.username, i.realm, nullif(i.password_digest, ''), "
        "nullif(i.password, ''), nullif(i.algorithms, ''), nullif(i.algorithms, '') "
        f"FROM {_source(WRITTEN)} "
        f"JOIN ({_ENDPOINTS}) ON {_IS} WHERE a.id IS NULL ORDER BY e.auth",
        f"INSERT INTO ps_aors (id) SELECT e.aors FROM {_source(WRITTEN)} "
        f"JOIN ({_ENDPOINTS}) ON {_IS} WHERE {_MISSING_AOR} ORDER BY e.aors",
        f"UPDATE ps_auths AS t SET username = i.username, realm = i.realm, "
        "auth_type = CASE WHEN t.auth_type::text = 'userpass' THEN t.auth_type END, "
        f"password_digest = nullif(i.password_digest, ''), md5_cred = NULL, "
        f"password = nullif(i.password, ''), supported_algorithms_uas = nullif(i.algorithms, ''), "
        f"supported_algorithms_uac = nullif(i.algorithms, '') "
        f"FROM {_source(WRITTEN)}, {_ENDPOINTS} WHERE t.id = e.auth AND {_IS} AND {_DIFFERS}",
    )
]

DELETE = [
    _rendered(
        f"WITH gone AS (DELETE FROM ps_endpoints AS t USING {_source(NAMED)}, {_ENDPOINTS} "
        f"WHERE t.id = e.id AND {_IS} RETURNING t.id, t.auth, t.aors), "
        "contacts AS (DELETE FROM ps_contacts AS c USING gone WHERE c.endpoint = gone.id), "
        # What another endpoint uses as well stays.
        "aors AS (DELETE FROM ps_aors AS r USING gone WHERE r.id = gone.aors AND NOT EXISTS "
        "(SELECT FROM ps_endpoints AS o WHERE o.aors = r.id AND o.id NOT IN "
        "(SELECT id FROM gone))) "
        "DELETE FROM ps_auths AS s USING gone WHERE s.id = gone.auth AND NOT EXISTS "
        "(SELECT FROM ps_endpoints AS o WHERE o.auth = s.id AND o.id NOT IN (SELECT id FROM gone))"
    )
]

_CONTACT = f"coalesce({_KEY}, c.endpoint, ''), c.id, c.uri, c.user_agent, c.expiration_time"
CONTACTS = _rendered(
    f"SELECT c.id, {_CONTACT} FROM ps_contacts AS c "
    f"LEFT JOIN ({_ENDPOINTS}) ON e.id = c.endpoint "
    "WHERE c.id > %(last)s ORDER BY c.id LIMIT %(page)s"
)
CONTACTS_OF = _rendered(
    f"SELECT {_CONTACT} FROM {_source(NAMED)} JOIN ({_ENDPOINTS}) ON {_IS} "
    "JOIN ps_contacts AS c ON c.endpoint = e.id"
)
