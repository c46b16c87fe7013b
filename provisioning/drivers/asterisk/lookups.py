"""Look-ups of res_config_curl: which rows an Asterisk asks for, and how it is answered.

It posts conditions as a form to TABLE/single or TABLE/multi and reads a row a line, each like a
form; an empty answer means that there is none. Only rows that are asked for by their whole key are
given: a list of everybody, which an Asterisk asks for when it starts, would take it minutes. Files
of configuration are asked for as TABLE/static, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from provisioning.drivers.base import Served
from provisioning.drivers.database.connection import Rendered

# What a row of each table is asked for by.
_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ps_endpoints": ("id",),
        "ps_auths": ("id",),
        "ps_aors": ("id",),
        "extensions": ("context", "exten", "priority"),
        "rtcadmin_aors": ("id",),
        "rtcadmin_callers": ("account",),
        "rtcadmin_numbers": ("number",),
        "rtcadmin_preferences": ("name",),
        "rtcadmin_settings": ("name",),
    }
)
_ROWS = ("single", "multi")
# Whether the table has the columns that Asterisk knows is checked by the console already.
_COLUMNS = "require"
_STATIC = "rtcadmin_config/static"
_FILE = Rendered(
    "SELECT row_to_json(t) FROM (SELECT category, var_name, var_val, cat_metric "
    "FROM rtcadmin_config WHERE filename = %(file)s "
    "ORDER BY cat_metric DESC, var_metric, category, var_name) AS t",
    {},
)
AS_SERVER = Rendered("SELECT set_config('application_name', %(reader)s, true)", {})
"""Reads as one server for the rest of a transaction."""


def _statement(table: str, keys: Iterable[str]) -> Rendered:
    same = " AND ".join(f"{key}::text = %({key})s" for key in keys)
    return Rendered(f"SELECT row_to_json(t) FROM {table} AS t WHERE {same}", {})  # noqa: S608


_STATEMENTS = {table: _statement(table, keys) for table, keys in _KEYS.items()}


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask the database, and as which server (empty for none)."""

    statement: Rendered
    reader: str = ""


def question_of(path: str, asked: Mapping[str, str]) -> Question | Served | None:
    """What to ask the database, or the answer itself; None where the path is none of Asterisk's.

    A path is TABLE/QUESTION, or TABLE/READER/QUESTION where rows differ from server to server.
    """
    table, _, rest = path.partition("/")
    reader, _, question = rest.rpartition("/")
    if path == _STATIC:
        return Question(_FILE) if set(asked) == {"file"} else _text("")
    if table not in _KEYS or question not in (*_ROWS, _COLUMNS):
        return None
    if question == _COLUMNS:
        return _text("0")
    if set(asked) != set(_KEYS[table]):
        return _text("")
    return Question(_STATEMENTS[table], reader)


def answer(rows: Iterable[Mapping[str, Any]]) -> Served:
    """Rows as Asterisk reads them; what is not set is left to Asterisk's own defaults."""
    told = ({name: row[name] for name in row if row[name] is not None} for row in rows)
    # To Asterisk a plus is a plus, and no space.
    return _text("".join(f"{urlencode(row, quote_via=quote)}\n" for row in told))


def _text(body: str) -> Served:
    return Served("text/plain", body)
