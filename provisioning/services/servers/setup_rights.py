"""The console's rights in the database of a SIP server, as lines for psql or mysql."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioning.models import ConfigStore
from provisioning.services.servers import targets
from provisioning.services.servers.setup_lines import Section, console_address

_WRITE = "SELECT, INSERT, UPDATE, DELETE"


def rights(
    store: ConfigStore,
    why: str,
    *,
    written: Sequence[str],
    read: Sequence[str],
    sequences: Sequence[str],
) -> Section:
    """Tables that the console writes and reads, and the PostgreSQL sequences of those it writes."""
    user = store.user or "rtcadmin"
    if store.dialect == ConfigStore.Dialect.MYSQL:
        file, lines = "mysql", _mysql(store, user, written, read)
    else:
        file, lines = "psql", _postgresql(user, written, read, sequences)
    return Section("Give the console its rights in the database", why, file, "".join(lines))


def _postgresql(
    user: str, written: Sequence[str], read: Sequence[str], sequences: Sequence[str]
) -> Iterator[str]:
    whom = '"{}"'.format(user.replace('"', '""'))
    for table in written:
        yield f"GRANT {_WRITE} ON {table} TO {whom};\n"
    for sequence in sequences:
        yield f"GRANT USAGE ON {sequence} TO {whom};\n"
    for table in read:
        yield f"GRANT SELECT ON {table} TO {whom};\n"


def _mysql(
    store: ConfigStore, user: str, written: Sequence[str], read: Sequence[str]
) -> Iterator[str]:
    # A name may hold a quote of its own, doubled.
    database = "`{}`".format(store.database.replace("`", "``"))
    console = console_address(targets.Endpoint("mysql", store.host, store.port))
    whom = "'{}'@'{}'".format(user.replace("'", "''"), console)
    for granted, tables in ((_WRITE, written), ("SELECT", read)):
        for table in tables:
            yield f"GRANT {granted} ON {database}.{table} TO {whom};\n"
