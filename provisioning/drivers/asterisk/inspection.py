"""What an Asterisk database is before anything is written: tables, columns, defaults, rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import MetaData, Table, func, select, text

from provisioning.core.errors import Rejected
from provisioning.core.records import StoreRecord
from provisioning.drivers.asterisk.own_tables import OWN_TABLES, VIEWS
from provisioning.drivers.database.connection import Database, Rendered, Transaction
from provisioning.drivers.database.rights import rights

# The columns that are read or written.
COLUMNS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "ps_endpoints": ("id", "aors", "auth", "context"),
        "ps_auths": (
            "id", "auth_type", "username", "realm", "password", "md5_cred", "password_digest",
            "supported_algorithms_uas", "supported_algorithms_uac",
        ),
        "ps_aors": ("id", "max_contacts"),
        "ps_contacts": ("id", "uri", "user_agent", "expiration_time", "endpoint"),
        "extensions": ("id", "context", "exten", "priority", "app", "appdata"),
    }
)  # fmt: skip
_METADATA = MetaData()
_CONTACTS = "ps_contacts"
_WRITTEN = [Table(name, _METADATA) for name in COLUMNS if name != _CONTACTS]
# Without these a new account could not register, or could not call anybody.
_DEFAULTS = (("ps_aors", "max_contacts"), ("ps_endpoints", "allow"))

_FOUND = Rendered(
    "SELECT t.name, a.attname, d.oid IS NOT NULL FROM unnest(%(tables)s::text[]) AS t(name) "
    "JOIN pg_attribute AS a ON a.attrelid = to_regclass(t.name) AND a.attnum > 0 "
    "AND NOT a.attisdropped "
    "LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum",
    {"tables": list(COLUMNS)},
)


def findings(database: Database, store: StoreRecord) -> list[str]:
    """A line per table and one on writing; raises Rejected naming everything that is wrong.

    Lacking rights to write, or defaults, are a finding: a store may be there to be read only.
    """
    with database.transaction() as transaction:
        found = transaction.rows(_FOUND)
        columns: dict[str, set[str]] = {name: set() for name in COLUMNS}
        for table, column, _ in found:
            columns[table].add(column)
        if problems := list(_problems(columns)):
            raise Rejected(f"Store “{store.name}” cannot be used: {' '.join(problems)}")
        for table in COLUMNS:
            # Asks for the right to read it.
            transaction.execute(select(text("1")).select_from(text(table)).limit(0))
        held = rights(transaction, store, _WRITTEN)
        ((ends_contacts,),) = transaction.rows(
            select(func.has_table_privilege(_CONTACTS, "DELETE"))
        )
        own = list(_own(transaction, store))
    lines = [f"Table {name}: {len(columns[name])} columns." for name in COLUMNS]
    if not ends_contacts:
        held.append(f"Read only: the role lacks DELETE on {_CONTACTS}.")
    defaults = {(table, column) for table, column, has in found if has}
    if lacking := [".".join(each) for each in _DEFAULTS if each not in defaults]:
        held.append(
            f"Read only: {' and '.join(lacking)} need a default, or new accounts could not "
            "register and call; the guide of a server has the lines."
        )
    return [*lines, *own, *held]


def _own(transaction: Transaction, store: StoreRecord) -> Iterator[str]:
    """A line per table and view of the console's own, without which it still holds accounts."""
    names = [target.table.name for target in OWN_TABLES.values()]
    (found,) = transaction.rows(
        select(*(func.to_regclass(name).is_not(None) for name in (*names, *VIEWS)))
    )
    there = dict(zip((*names, *VIEWS), found, strict=True))
    for kind, target in OWN_TABLES.items():
        name = target.table.name
        if not there[name]:
            yield (
                f"Table {name} is missing: no {kind.label} is written here until the lines for "
                "the database in the server's setup guide made it."
            )
            continue
        told = rights(transaction, store, [target.table])[-1]
        if told.startswith("Read only"):
            yield f"Table {name}: no {kind.label} is written here. {told}"
        else:
            yield f"Table {name}: may be written."
    for view in VIEWS:
        if not there[view]:
            yield (
                f"View {view} is missing: Asterisk does not see what stands in the console's "
                "tables. The lines for the database in the server's setup guide make it."
            )


def holds_contacts(transaction: Transaction) -> bool:
    """Whether the servers keep their contacts in this database."""
    ((name,),) = transaction.rows(select(func.to_regclass(_CONTACTS)))
    return name is not None


def _problems(columns: Mapping[str, set[str]]) -> Iterator[str]:
    for table, needed in COLUMNS.items():
        missing = [name for name in needed if name not in columns[table]]
        if not columns[table]:
            yield f"Table {table} is missing."
        elif missing:
            yield (
                f"Table {table} has no column {', '.join(missing)}: its schema is older than "
                "Asterisk 22.3. Bring it up to date with Asterisk's own alembic scripts."
            )
