"""Client documents: which profile, listeners and credentials an account gets, rendered in a format.

Nothing here asks who wants the document: `export` and `links` do.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from provisioning.core.errors import InvalidInput
from provisioning.core.records import Listener
from provisioning.core.settings.types import Value
from provisioning.core.sip import Algorithm, ha1
from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, ClientProfile, SipServer
from provisioning.profiles.base import File, ProfileAccount, ProfileSettings, Renderer
from provisioning.profiles.registry import RENDERERS
from provisioning.services.clients.profile_settings import as_settings
from provisioning.services.settings import effective

if TYPE_CHECKING:
    from django.db.models import QuerySet

# What stands in a preview where a document holds a secret.
MASK = "••••••••"

_TRANSPORTS = {"tls": 0, "tcp": 1, "udp": 2}


@dataclass(frozen=True, slots=True)
class Home:
    """What a pool means for clients: its listeners, the safest first, and the digest algorithm."""

    listeners: tuple[Listener, ...]
    algorithm: Algorithm


@dataclass(slots=True)
class Desk:
    """What documents of many accounts share, read once: homes of pools, the default profile."""

    homes: dict[int, Home] = field(default_factory=dict)
    settings: dict[tuple[object, ...], ProfileSettings] = field(default_factory=dict)
    default: ClientProfile | None = None
    default_known: bool = False
    policies: effective.Desk | None = None
    given: dict[int, Mapping[str, Value]] = field(default_factory=dict)

    def prepare(self, accounts: Sequence[Account]) -> None:
        """Read what policies give these accounts, and forget those of before; two queries."""
        if self.policies is None:
            self.policies = effective.Desk()
        found = self.policies.given_to([effective.holder_of(account) for account in accounts])
        self.given = {account.pk: each for account, each in zip(accounts, found, strict=True)}

    def home_of(self, account: Account) -> Home:
        """Where the clients of `account` register; raises InvalidInput when that is nowhere."""
        if account.pool_id not in self.homes:
            self.homes[account.pool_id] = _find_home(account)
        home = self.homes[account.pool_id]
        if not home.listeners:
            raise InvalidInput(
                f"The home pool “{account.pool}” has no enabled SIP server, so there is nowhere to "
                "register. Enable or add a server."
            )
        return home

    def settings_of(self, account: Account) -> ProfileSettings:
        """The account's profile (its own, its rule's, the default) as renderers take it.

        What a policy gives the account beats what the profile says.
        """
        home = self.home_of(account)
        profile = self._profile_of(account)
        if account.pk not in self.given:
            self.prepare([account])
        given = self.given[account.pk]
        key = (profile.pk, account.pool_id, *sorted(given.items()))
        if key not in self.settings:
            self.settings[key] = as_settings(
                profile=profile, listeners=home.listeners, given=given, pool=str(account.pool)
            )
        return self.settings[key]

    def _profile_of(self, account: Account) -> ClientProfile:
        own = account.profile or (account.rule.profile if account.rule else None)
        if own is not None:
            return own
        if not self.default_known:
            self.default = ClientProfile.objects.filter(is_default=True).first()
            self.default_known = True
        if self.default is None:
            raise InvalidInput(
                f"{account.aor} has no client profile: neither it nor its rule names one, and "
                "there "
                "is no default profile. Make one the default."
            )
        return self.default


def with_what_documents_need(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Those of `accounts` that have clients, with all that a document reads: no query for each.

    What many of them share is not joined: each of them would get an object of its own.
    """
    own = accounts.filter(probe__isnull=True).select_related("credential", "number", "probe")
    return own.prefetch_related("domain", "pool", "profile", "rule__profile")


def profile_settings(*, account: Account) -> ProfileSettings:
    """What the account's client profile says; raises InvalidInput without a profile or a server."""
    return Desk().settings_of(account)


def find_renderer(format: str) -> Renderer:
    """The renderer called `format`; raises InvalidInput when there is none."""
    renderer = RENDERERS.get(format)
    if renderer is None:
        raise InvalidInput(f"“{format[:40]}” is not a format; there are {', '.join(RENDERERS)}.")
    return renderer


def render(*, account: Account, renderer: Renderer, with_secret: bool, desk: Desk) -> list[File]:
    """The account's files; raises InvalidInput when it is not active or a value does not fit."""
    if not MEANINGS[State(account.state)].usable:
        raise InvalidInput(
            f"{account.aor} is {account.get_state_display().lower()}; only active accounts get "
            "documents."
        )
    if hasattr(account, "probe"):
        raise InvalidInput(f"{account.aor} is a probe account: no client gets its document.")
    check_useful(renderer=renderer, with_secret=with_secret)
    settings = desk.settings_of(account)
    known = _plain(account, desk.home_of(account).algorithm)
    if with_secret:
        secret = account.credential.secret()
        if secret is not None:
            known = _with_secret(known, secret)
        else:
            known = replace(known, ha1=_imported_ha1(account, renderer, known))
    return renderer.render(settings, known)


def unservable_formats(*, account: Account) -> list[Renderer]:
    """The formats that cannot be made with the password, for nobody here knows its clear text."""
    credential = getattr(account, "credential", None)
    if credential is None or credential.sealed_import is None:
        return []
    return [each for each in RENDERERS.values() if each.holds_secret and not each.takes_ha1]


def _imported_ha1(account: Account, renderer: Renderer, known: ProfileAccount) -> str:
    """The digest that was taken over, where the format can do with it and the servers still do."""
    digest = account.credential.imported()
    again = (
        f"The password of {account.aor} is not known here: it was taken over from its server as a "
        "digest. Give the account a new credential; its clients must then fetch their profile."
    )
    if digest is None or not renderer.takes_ha1:
        raise InvalidInput(f"{renderer.label} needs it. {again}")
    fits = digest.fits(user=known.auth_user, realm=known.realm, algorithm=known.algorithm)
    if not fits:
        raise InvalidInput(f"That digest is for {digest.user} in {digest.realm}. {again}")
    return digest.ha1


def check_useful(*, renderer: Renderer, with_secret: bool) -> None:
    """Raise InvalidInput when the format needs the secret and shall not get it."""
    if renderer.needs_secret and not with_secret:
        raise InvalidInput(f"A {renderer.label} document is of no use without the password.")


def preview(*, account: Account, renderer: Renderer) -> list[File]:
    """The account's files with a mask for the secret, which is not even opened."""
    desk = Desk()
    stand_in = _with_secret(
        _plain(account, desk.home_of(account).algorithm), secrets.token_urlsafe(12)
    )
    files = renderer.render(desk.settings_of(account), stand_in)
    for text in (stand_in.secret, stand_in.ha1):
        if text:
            files = [
                replace(file, content=file.content.replace(text.encode(), MASK.encode()))
                for file in files
            ]
    return files


def _plain(account: Account, algorithm: Algorithm) -> ProfileAccount:
    if not hasattr(account, "credential"):
        raise InvalidInput(f"{account.aor} has no credential yet. Rotate the credential first.")
    number = getattr(account, "number", None)
    return ProfileAccount(
        user=account.user_part,
        domain=account.domain.domain,
        realm=account.domain.realm,
        auth_user=account.credential.auth_user,
        display_name=account.name,
        number=number.e164 if number else "",
        algorithm=algorithm,
    )


def _with_secret(known: ProfileAccount, secret: str) -> ProfileAccount:
    digest = ha1(known.auth_user, known.realm, secret, cast("Algorithm", known.algorithm))
    return replace(known, secret=secret, ha1=digest)


def _find_home(account: Account) -> Home:
    servers = list(
        SipServer.objects.filter(pool_id=account.pool_id, enabled=True)
        .select_related("store")
        .order_by("name")
    )
    listeners = [listener for server in servers for listener in server.listeners()]
    listeners.sort(key=lambda listener: _TRANSPORTS[listener.transport])
    algorithm = servers[0].store.main_algorithm if servers else "MD5"
    return Home(tuple(listeners), algorithm)
