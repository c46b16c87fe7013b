"""What clients of an account are told: what policies give it, and else what its profile says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.records import Listener, Transport
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Family
from provisioning.core.settings.types import Value
from provisioning.models import Account, ClientProfile
from provisioning.profiles.base import ProfileSettings, Session

_DEFAULTS: Mapping[str, Value] = {
    key: setting.default
    for key, setting in CATALOGUE.items()
    if setting.family is not Family.SERVER
}


def profile_of(account: Account) -> ClientProfile | None:
    """The account's profile: its own, its rule's, or the default one; None where there is none."""
    own = account.profile or (account.rule.profile if account.rule else None)
    return own or ClientProfile.objects.filter(is_default=True).first()


def profile_values(profile: ClientProfile) -> dict[str, Value]:
    """What a client profile says of those settings that it knows."""
    return {
        "media_encryption": profile.media_encryption,
        "register_interval": profile.register_expires,
        "pc_calls": profile.allow_pc2pc,
        "phone_calls": profile.allow_pc2ph,
        "click_to_call": profile.allow_ph2ph,
        "help_address": profile.helpdesk,
    }


def as_settings(
    *,
    profile: ClientProfile,
    listeners: tuple[Listener, ...],
    given: Mapping[str, Value],
    pool: str,
) -> ProfileSettings:
    """Profile and policies as renderers take them.

    Raises InvalidInput where a policy wants a transport that the pool has not.
    """
    # Of mixed types by nature; each was checked against its own.
    values: dict[str, Any] = {**_DEFAULTS, **profile_values(profile), **given}
    allowed = {
        Session.PC_TO_PC: values["pc_calls"],
        Session.PC_TO_PHONE: values["phone_calls"],
        Session.PHONE_TO_PHONE: values["click_to_call"],
        Session.MESSAGE: profile.allow_im and values["messaging"],
    }
    expires_at = None
    if profile.valid_days:
        expires_at = timezone.now() + timedelta(days=profile.valid_days)
    return ProfileSettings(
        key=f"profile-{profile.pk}",
        name=profile.name,
        listeners=_usable(listeners, str(values["client_transport"]), pool),
        gateway=_gateway(profile),
        sessions=frozenset(session for session, yes in allowed.items() if yes),
        media_encryption=values["media_encryption"],
        register_expires=values["register_interval"],
        ca_pem=profile.ca_pem,
        provider=profile.provider,
        homepage=profile.homepage,
        helpdesk=values["help_address"],
        expires_at=expires_at,
        video=values["video"],
        publishes_presence=values["publish_presence"],
        stores_passwords=values["store_passwords"],
        nat_traversal=values["nat_traversal"],
        stun_server=values["stun_server"] if values["nat_traversal"] != "none" else "",
        conference=values["conference_service"],
        file_service=values["file_service"],
        voicemail=bool(values["voicemail"] and values["voicemail_server"]),
    )


def _usable(listeners: tuple[Listener, ...], wanted: str, pool: str) -> tuple[Listener, ...]:
    if wanted == "safest":
        return listeners
    found = tuple(each for each in listeners if each.transport == wanted)
    if not found:
        raise InvalidInput(
            f"A policy wants {wanted.upper()}, and no server of the pool “{pool}” listens on it. "
            "Add the port to a server, or change the policy “Transport”."
        )
    return found


def _gateway(profile: ClientProfile) -> Listener | None:
    if not profile.gateway_host:
        return None
    transport = cast("Transport", profile.gateway_transport)
    return Listener(profile.gateway_host, profile.gateway_port, transport)
