"""The provisioning profile of Microsoft's RTC Client API, schema 1.2.

The profile holds no media encryption and no certificate authority: those stay the client's own.
"""

from __future__ import annotations

from datetime import UTC
from functools import lru_cache
from html import escape

from provisioning.core.errors import InvalidInput
from provisioning.core.records import Listener
from provisioning.core.text import require_line
from provisioning.profiles.addresses import aor, host_port, preferred
from provisioning.profiles.base import File, ProfileAccount, ProfileSettings, Session

_LINK_SCHEMES = ("https://", "http://", "mailto:", "tel:", "sip:", "sips:")
_RESERVED = frozenset("&<>\"'")


class Rtc:
    """Registrar and proxies, digest only; a password only where one is given and can be read."""

    name = "rtc"
    label = "RTC Client API profile"
    needs_secret = False
    holds_secret = True
    takes_ha1 = False
    policies = frozenset(
        {
            "messaging", "pc_calls", "phone_calls", "click_to_call", "client_transport",
            "store_passwords", "help_address",
        }
    )  # fmt: skip

    def render(self, settings: ProfileSettings, account: ProfileAccount) -> list[File]:
        """One document; see `Renderer`."""
        before, after = _settings_part(settings)
        uri = aor(account)
        # Without one the client asks, and keeps none.
        keeps = settings.stores_passwords
        document = "".join(
            (
                '<?xml version="1.0" encoding="UTF-8"?>\n<provision',
                # The key tells profiles on one client apart, so it differs from account to account.
                _attribute("key", f"{settings.key}:{uri}"),
                before,
                "  <user",
                _attribute("uri", f"sip:{uri}"),
                _attribute("account", account.auth_user),
                _attribute("name", account.display_name),
                _attribute("password", _readable(account.secret) if keeps else ""),
                _attribute("realm", account.realm),
                ' allowedauth="digest"/>\n',
                after,
            )
        )
        return [File("rtc-profile.xml", "application/xml", document.encode())]


def _attribute(name: str, value: str) -> str:
    """` name="value"`, or nothing for an empty value."""
    if not value:
        return ""
    # Within double quotes an apostrophe stands for itself, and nothing can misread it.
    text = escape(require_line(value, f"The {name} of the RTC profile"), quote=False)
    text = text.replace('"', "&quot;")
    return f' {name}="{text}"'


def _readable(secret: str | None) -> str:
    """The password, which the API is documented to misread when it has XML-reserved characters."""
    if secret and not _RESERVED.isdisjoint(secret):
        raise InvalidInput(
            "The RTC profile cannot hold this account's password: it contains one of & < > \" ', "
            "which the RTC Client API misreads. Leave the password out, or create a new credential."
        )
    return secret or ""


@lru_cache(maxsize=64)
def _settings_part(settings: ProfileSettings) -> tuple[str, str]:
    """What stands after the key and after the user, the same for every account of the profile."""
    expires = ""
    if settings.expires_at is not None:
        if settings.expires_at.tzinfo is None:
            raise InvalidInput("The end of the profile has no time zone.")
        end = settings.expires_at.astimezone(UTC).replace(tzinfo=None)
        expires = f"{end.isoformat(timespec='seconds')}Z"
    before = f"{_attribute('name', settings.name)}{_attribute('expires', expires)}>\n"
    return before, f"{_servers(settings)}{_provider(settings)}</provision>\n"


def _servers(settings: ProfileSettings) -> str:
    """The registrar, and for each session type the proxy that it goes through."""
    home = preferred(settings)
    proxies: dict[Listener, list[str]] = {}
    for session in Session:
        if session in settings.sessions:
            proxy = _proxy_for(session, settings, home)
            party = "third" if session is Session.PHONE_TO_PHONE else "first"
            proxies.setdefault(proxy, []).append(f'<session party="{party}" type="{session}"/>')
    lines = [f'  <sipsrv{_server(home)} auth="digest" role="registrar"/>\n']
    lines += [
        f'  <sipsrv{_server(proxy)} auth="digest" role="proxy">{"".join(sessions)}</sipsrv>\n'
        for proxy, sessions in proxies.items()
    ]
    return "".join(lines)


def _proxy_for(session: Session, settings: ProfileSettings, home: Listener) -> Listener:
    """PC-phone goes through the gateway if there is one; phone-phone is allowed over TLS only."""
    if session is Session.PC_TO_PHONE and settings.gateway is not None:
        return settings.gateway
    if session is not Session.PHONE_TO_PHONE:
        return home
    for listener in settings.listeners:
        if listener.transport == "tls":
            return listener
    raise InvalidInput(
        f"The profile “{settings.name}” allows phone-phone calls, which the RTC Client API makes "
        "only through a TLS proxy. The servers have no TLS listener: add one, or turn them off."
    )


def _server(listener: Listener) -> str:
    return f' addr="{host_port(listener)}" protocol="{listener.transport.upper()}"'


def _provider(settings: ProfileSettings) -> str:
    if not (settings.provider or settings.homepage or settings.helpdesk):
        return ""
    for what, link in (("home page", settings.homepage), ("help desk", settings.helpdesk)):
        if link and not link.lower().startswith(_LINK_SCHEMES):
            raise InvalidInput(f"The {what} must start with one of {', '.join(_LINK_SCHEMES)}.")
    return (
        f"  <provider{_attribute('name', settings.provider or settings.name)}"
        f"{_attribute('homepage', settings.homepage)}"
        f"{_attribute('helpdesk', settings.helpdesk)}/>\n"
    )
