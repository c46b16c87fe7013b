"""What the page of a SCIM source shows of its client: tenant URL, tokens, what it wrote last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from provisioning.models import DirectorySource, ScimFeed, ScimToken
from provisioning.services.scim.scim_sample import count_resources
from provisioning.services.scim.scim_tokens import tenant_url
from provisioning.web.forms.scim import ScimTokenForm

_TOKENS_SHOWN = 20


def scim_context(source: DirectorySource) -> dict[str, Any]:
    """What the page of a SCIM source shows besides."""
    now = timezone.now()
    tokens = source.scim_tokens.select_related("created_by").order_by("-pk")[:_TOKENS_SHOWN]
    return {
        "tenant_url": tenant_url(source),
        "tokens": [(token, _state(token, now)) for token in tokens],
        "feed": ScimFeed.objects.filter(pk=source.pk).first(),
        "sent": count_resources(source),
        "token_form": ScimTokenForm(),
    }


def _state(token: ScimToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "works" if token.expires_at > now else "expired"
