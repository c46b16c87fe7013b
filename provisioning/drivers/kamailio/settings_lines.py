"""The lines of kamailio.cfg that make settings take effect, for one server; defaults as catalogued.

The lab's servers run exactly these lines, and the setup guide shows them.
"""

from __future__ import annotations

from pathlib import Path

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Family, Setting
from provisioning.drivers.setting_rows import as_text

_SETUP = Path(__file__).with_name("setup")

SERVER_KEYS = tuple(key for key, each in CATALOGUE.items() if each.family is Family.SERVER)
# Account settings that other kinds of rows carry are not among them.
ACCOUNT_KEYS = (
    "max_devices",
    "messaging",
    "call_classes",
    "presented_number",
    "asserted_numbers",
    "forward_always",
    "forward_busy",
    "forward_no_answer",
    "forward_after",
    "forward_unreachable",
    "voicemail",
    "voicemail_server",
    "remote_access",
    "federation",
    "federated_messaging",
)


def settings_modules() -> str:
    """What stands beside the other modules; the database is `@DATABASE@`."""
    return (_SETUP / "settings_modules.cfg").read_text()


def settings_routes(*, server: str) -> str:
    """The routes RTC_… for the server whose own values begin with `server` and a colon."""
    text = (_SETUP / "settings.cfg").read_text()
    settings = [_loaded(CATALOGUE[key]) for key in (*SERVER_KEYS, *ACCOUNT_KEYS)]
    forget = [f"    $(avp({key})[*]) = $null;" for key in ACCOUNT_KEYS]
    account = [
        f"    if ($avp({key}) == $null) {{ $avp({key}) = $var({key}); }}" for key in ACCOUNT_KEYS
    ]
    for name, lines in (("SETTINGS", settings), ("FORGET", forget), ("ACCOUNT", account)):
        text = text.replace(f"@{name}@", "\n".join(lines))
    return text.replace("@SERVER@", server)


def _loaded(setting: Setting) -> str:
    key, default = setting.key, as_text(setting.default)
    return (
        f'    $var(name) = "{key}"; $var(value) = "{default}"; route(RTC_VALUE); '
        f"$var({key}) = $var(value);"
    )
