"""Client profiles: saving and deleting."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.core.text import require_line
from provisioning.models import ClientProfile
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.directory.certificates import check_authorities
from provisioning.services.servers import targets


def save_profile(*, profile: ClientProfile, actor: Actor) -> None:
    """Keep a new or changed profile; the default one takes that place from the former default."""
    profile.name = require_line(profile.name, "The name").strip()
    profile.provider = require_line(profile.provider, "The provider name").strip()
    profile.ca_pem = check_authorities(profile.ca_pem, "The certificate authority")
    if profile.gateway_host:
        profile.gateway_host = targets.check_host(
            host=profile.gateway_host, what="The PSTN gateway"
        ).lower()
    if not (profile.allow_pc2pc or profile.allow_pc2ph or profile.allow_ph2ph or profile.allow_im):
        raise InvalidInput("A profile without any session is of no use; allow at least one.")
    with transaction.atomic():
        if profile.is_default:
            ClientProfile.objects.filter(is_default=True).exclude(pk=profile.pk).update(
                is_default=False
            )
        saving.check_fields(profile)
        before = saving.find_stored(profile)
        if before is not None and saving.changes(before, profile):
            profile.version = before.version + 1
        saving.save(row=profile, before=before, actor=actor)


def delete_profile(*, profile: ClientProfile, actor: Actor) -> None:
    """Delete a profile that no account and no rule names."""
    saving.delete(row=profile, actor=actor)
