"""The settings of accounts that SIP servers hold: devices, messages, calls, federation."""

from __future__ import annotations

from provisioning.core.calls import CLASSES
from provisioning.core.settings import texts
from provisioning.core.settings.setting import Area, Family, Setting
from provisioning.core.settings.types import AnyOf, Choice, Integer, Several, Switch

_ALLOWED = Switch("Allowed", "Not allowed")
PRESENTED_NUMBER, OF_SITE = "presented_number", "site"

ACCOUNT_SETTINGS = (
    Setting(
        key="max_devices",
        label="Devices at the same time",
        help="So many clients may be registered; a further one is refused.",
        area=Area.REGISTRATION,
        family=Family.ACCOUNT,
        type=Integer(1, 100, "devices"),
        default=10,
        covers=(19,),
        serves=True,
    ),
    Setting(
        key="messaging",
        label="Instant messages",
        help="Whether the account may send and get instant messages; its clients are told as well.",
        area=Area.MESSAGES,
        family=Family.ACCOUNT,
        type=_ALLOWED,
        default=True,
        covers=(),
        serves=True,
    ),
    Setting(
        key="call_classes",
        label="Calls to",
        help="Which numbers it may call, by what their routes say; emergency numbers always.",
        area=Area.CALLS,
        family=Family.ACCOUNT,
        type=AnyOf(
            tuple((each.value, each.label) for each in CLASSES),
            every="Any number",
            none="Emergency numbers only",
        ),
        default=tuple(each.value for each in CLASSES),
        covers=(),
        serves=True,
    ),
    Setting(
        key=PRESENTED_NUMBER,
        label="Presented number",
        help="What is shown of it beyond a gateway; emergency services are always shown a number.",
        area=Area.CALLS,
        family=Family.ACCOUNT,
        type=Choice(
            (
                ("own", "Its own"),
                (OF_SITE, "The main number of its site"),
                ("withheld", "Withheld"),
            )
        ),
        default="own",
        covers=(),
    ),
    Setting(
        key="asserted_numbers",
        label="Numbers it may assert",
        help="Its clients may say that they call from numbers that begin so; whatever else they "
        "say about themselves is taken away.",
        area=Area.CALLS,
        family=Family.ACCOUNT,
        type=Several(texts.beginning_of_numbers, "beginnings such as +4420794600; + is any number"),
        default=(),
        covers=(),
    ),
    Setting(
        key="remote_access",
        label="Remote access",
        help="Whether it may register from outside the internal networks of its server.",
        area=Area.REMOTE,
        family=Family.ACCOUNT,
        type=_ALLOWED,
        default=True,
        covers=(8, 38),
        serves=True,
    ),
    Setting(
        key="federation",
        label="Federation",
        help="Whether it may reach other SIP domains, where its server reaches them at all.",
        area=Area.FEDERATION,
        family=Family.ACCOUNT,
        type=_ALLOWED,
        default=True,
        covers=(7,),
        serves=True,
    ),
    Setting(
        key="federated_messaging",
        label="Messages to other SIP domains",
        help="Whether instant messages may go there; calls are not meant.",
        area=Area.FEDERATION,
        family=Family.ACCOUNT,
        type=_ALLOWED,
        default=True,
        covers=(59,),
        serves=True,
    ),
)
