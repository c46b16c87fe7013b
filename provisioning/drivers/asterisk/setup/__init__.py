"""Lines for the configuration of an Asterisk and for its database, the same for every server."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

# The file of view rtcadmin_config that extensions.conf includes.
DIALPLAN_FILE = "rtcadmin_extensions.conf"


def tables(*, read_by_servers: bool) -> str:
    """Tables and views of the console's own, beside those of Asterisk; `@USER@` writes them.

    Where servers read the database themselves, they do it as `@ROLE@`.
    """
    made = (_HERE / "rtcadmin.sql").read_text(encoding="utf-8")
    readers = (_HERE / "readers.sql").read_text(encoding="utf-8")
    return made + readers if read_by_servers else made


def dialplan() -> str:
    """The contexts rtcadmin-…, which contexts of SIP domains include."""
    return (_HERE / "extensions.conf").read_text(encoding="utf-8")


def sorcery() -> str:
    """Where each kind of object is read from; `@CONTACTS@` is where contacts are kept."""
    return (_HERE / "sorcery.conf").read_text(encoding="utf-8")
