"""Linphone's remote provisioning document (lpconfig XML), read at start from `[misc] config-uri`.

Keys and their meaning are liblinphone 5.1's. Linphone takes a certificate authority only as a path
on the client (`[sip] root_ca`; what an application hands over in memory cannot be provisioned), so
`ca_pem` is not written: whatever installs the client puts the file there and names it next to
`config-uri`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import check_domain, check_user_part
from provisioning.core.text import require_line
from provisioning.profiles.addresses import host_port, name_addr, preferred
from provisioning.profiles.base import (
    File,
    MediaEncryption,
    NatTraversal,
    ProfileAccount,
    ProfileSettings,
    Session,
)

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">\n'
)
_MEDIA: dict[MediaEncryption, tuple[str, str]] = {
    "none": ("none", "0"),
    "optional": ("srtp", "0"),
    "required": ("srtp", "1"),
}
_NAT: dict[NatTraversal, str] = {"none": "", "stun": "stun", "ice": "stun,ice"}
_NAT_POLICY = "rtcadmin"
_HA1 = {"MD5": re.compile("[0-9a-f]{32}"), "SHA-256": re.compile("[0-9a-f]{64}")}


class Linphone:
    """One account, registered at the preferred listener, with its HA1 rather than its password."""

    name = "linphone"
    label = "Linphone"
    needs_secret = False
    holds_secret = True
    takes_ha1 = True
    policies = frozenset(
        {
            "messaging", "register_interval", "video", "conference_service", "file_service",
            "media_encryption", "client_transport", "store_passwords", "nat_traversal",
            "stun_server", "publish_presence", "voicemail",
        }
    )  # fmt: skip

    def render(self, settings: ProfileSettings, account: ProfileAccount) -> list[File]:
        """One document; see `Renderer`. PC-PC and PC-phone have no key here: the servers decide."""
        shared, server = _settings_part(settings)
        own = f"sip:{check_user_part(account.user)}@{check_domain(account.domain)}"
        mailbox = own if settings.voicemail else ""
        proxy = _section(
            "proxy_0",
            ("reg_identity", name_addr(account)),
            ("realm", account.realm),
            # Since 5.3: what the voicemail button calls, and where waiting messages are asked for.
            ("voicemail_uri", mailbox),
            ("mwi_server_uri", mailbox),
            rest=server,
        )
        # What a document holds stays in the client's file, whatever `save_auth_info` says.
        credential = _credential(account) if settings.stores_passwords else ""
        document = f"{_HEAD}{shared}{proxy}{credential}</config>\n"
        return [File("linphone.xml", "application/xml", document.encode())]


@lru_cache(maxsize=64)
def _settings_part(settings: ProfileSettings) -> tuple[str, str]:
    """The sections, and the entries of the proxy, that are the same for every account."""
    listener = preferred(settings)
    uri = f"<sip:{host_port(listener)};transport={listener.transport}>"
    media, mandatory = _MEDIA[settings.media_encryption]
    no_chat = _flag(Session.MESSAGE not in settings.sessions)
    video = _flag(settings.video)
    shared = (
        _section(
            "sip",
            ("default_proxy", "0"),
            ("media_encryption", media),
            ("media_encryption_mandatory", mandatory),
            ("verify_server_certs", "1"),
            ("verify_server_cn", "1"),
            ("save_auth_info", _flag(settings.stores_passwords)),
        )
        # An entry without a text takes away what the client has. It keeps a policy of its own in
        # nat_policy_0, to which [net] leads, so both lead to this one.
        + _section(
            "nat_policy_0",
            ("ref", _NAT_POLICY),
            ("stun_server", settings.stun_server),
            ("protocols", _NAT[settings.nat_traversal]),
        )
        + _section("net", ("nat_policy_ref", _NAT_POLICY))
        + _section("video", ("capture", video), ("display", video))
        + _section("misc", ("file_transfer_server_url", settings.file_service))
        # Read by the applications (CorePreferences, SettingsModel): [app] before 6, then [ui].
        + _section("app", ("disable_chat_feature", no_chat))
        + _section("ui", ("disable_chat_feature", no_chat))
    )
    server = (
        _entry("reg_proxy", uri)
        + _entry("reg_route", uri)
        + _entry("reg_expires", str(settings.register_expires))
        + _entry("reg_sendregister", "1")
        + _entry("publish", _flag(settings.publishes_presence))
        + _entry("nat_policy_ref", _NAT_POLICY)
        + _entry("conference_factory_uri", settings.conference)
    )
    return shared, server


def _credential(account: ProfileAccount) -> str:
    """The account's authentication; nothing without HA1 and secret: Linphone then asks for one."""
    if account.ha1:
        form = _HA1.get(account.algorithm)
        if form is None:
            raise InvalidInput(
                f"Linphone answers MD5 and SHA-256 challenges only, and the servers ask for "
                f"{account.algorithm}."
            )
        if not form.fullmatch(account.ha1):
            raise InvalidInput(
                f"The stored credential is no {account.algorithm} digest that Linphone can use; "
                "create a new credential."
            )
        proof = (("ha1", account.ha1), ("algorithm", account.algorithm))
    elif account.secret:
        proof = (("passwd", account.secret), ("algorithm", account.algorithm))
    else:
        return ""
    return _section(
        "auth_info_0",
        ("username", check_user_part(account.user)),
        ("userid", account.auth_user),
        ("domain", check_domain(account.domain)),
        ("realm", account.realm),
        *proof,
    )


def _flag(value: object) -> str:
    return "1" if value else "0"


def _section(name: str, *entries: tuple[str, str], rest: str = "") -> str:
    body = "".join([_entry(key, value) for key, value in entries])
    return f'  <section name="{name}">\n{body}{rest}  </section>\n'


def _entry(key: str, value: str) -> str:
    """One entry; without overwrite="true" the value that a client already has would stay.

    A line break would reach the client's rc file as it is and start an entry of its own: refused.
    """
    text = escape(require_line(value, f"The value of Linphone's {key}"), quote=False)
    return f'    <entry name="{key}" overwrite="true">{text}</entry>\n'
