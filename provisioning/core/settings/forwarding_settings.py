"""Where calls of accounts go that nobody there takes: forwarding, voicemail."""

from __future__ import annotations

from provisioning.core.settings import texts
from provisioning.core.settings.setting import Area, Family, Setting
from provisioning.core.settings.types import Duration, Switch, Text

_TARGET = Text(
    texts.call_target,
    "a number such as +442079460000, or a SIP URI such as sip:desk@example.com",
    none="Not forwarded",
)


def _forward(key: str, label: str, help: str) -> Setting:
    return Setting(
        key=key,
        label=label,
        help=help,
        area=Area.FORWARDING,
        family=Family.ACCOUNT,
        type=_TARGET,
        default="",
        covers=(),
    )


_FORWARDS = (
    _forward("forward_always", "Forward all calls", "Its own phones do not ring."),
    _forward("forward_busy", "Forward when busy", "Its phones are busy, or decline the call."),
    _forward(
        "forward_no_answer", "Forward when nobody answers", "Its phones ring, and nobody answers."
    ),
    Setting(
        key="forward_after",
        label="Nobody answers after",
        help="How long its phones ring before a call that nobody answers goes on.",
        area=Area.FORWARDING,
        family=Family.ACCOUNT,
        type=Duration(2, 120),
        default=20,
        covers=(),
    ),
    _forward(
        "forward_unreachable",
        "Forward when not reachable",
        "No phone of it is registered, or none answers at all.",
    ),
)
_VOICEMAIL = (
    Setting(
        key="voicemail",
        label="Voicemail",
        help="Calls that nothing else is said about go to its mailbox; its clients are told as "
        "well. Needs a voicemail server.",
        area=Area.FORWARDING,
        family=Family.ACCOUNT,
        type=Switch(),
        default=False,
        covers=(),
    ),
    Setting(
        key="voicemail_server",
        label="Voicemail server",
        help="It has a mailbox for the user part of each account.",
        area=Area.FORWARDING,
        family=Family.ACCOUNT,
        type=Text(
            texts.sip_host, "a host such as voicemail.example.com or 10.0.0.9:5060;transport=tcp"
        ),
        default="",
        covers=(),
    ),
)

# Those that name a target.
TARGETS = tuple(each.key for each in _FORWARDS if each.type is _TARGET)
FORWARDING_SETTINGS = (*_FORWARDS, *_VOICEMAIL)
