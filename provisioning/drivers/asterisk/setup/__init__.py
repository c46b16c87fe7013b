"""Lines for the configuration of an Asterisk and for its database, the same for every server."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

# The files that Asterisk makes of view rtcadmin_config.
PJSIP_FILE = "rtcadmin_pjsip.conf"
DIALPLAN_FILE = "rtcadmin_extensions.conf"


def tables() -> str:
    """Tables and views of the console's own, beside those of Asterisk."""
    return (_HERE / "rtcadmin.sql").read_text(encoding="utf-8")


def dialplan() -> str:
    """The contexts rtcadmin-…, which contexts of SIP domains include."""
    return (_HERE / "extensions.conf").read_text(encoding="utf-8")


def sorcery() -> str:
    """Where gateways, trunks and trusted hosts are read from; `@CACHE@` is how the rest is kept."""
    return (_HERE / "sorcery.conf").read_text(encoding="utf-8")
