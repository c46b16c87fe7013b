"""Forms of sources whose SCIM client writes to them."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.services.scim.scim_tokens import DEFAULT_DAYS, LONGEST_DAYS
from provisioning.web.forms.sources import SourceForm

_OF_DIRECTORIES = (
    "uris", "tls", "ca_pem", "ca_file", "bind_method", "bind_dn", "secret", "secret_file",
    "client_certificate", "certificate_file", "connect_timeout", "read_timeout", "person_bases",
    "person_filter", "group_bases", "group_filter", "key_attribute", "photo_attribute", "page_size",
    "allows_sign_in",
)  # fmt: skip


class ScimSourceForm(SourceForm):
    """A source without address, sign-in or filters: the attribute map, the schedule and limits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _OF_DIRECTORIES:
            del self.fields[name]
        self.fields["name"].help_text = "What people here call it, such as Entra ID"
        self.fields["enabled"].label = "Apply what comes as it comes"
        self.fields["interval_seconds"].label = "Look for what was missed"
        helps = self.fields["interval_seconds"]
        helps.help_text = "Each request wakes the sync by itself; this is the net below"

    @property
    def secret_given(self) -> None:
        """There is none: tokens are made on the source's page."""
        return None


class ScimTokenForm(forms.Form):
    """A new token: who uses it, and how long."""

    name = forms.CharField(
        label="Used by", max_length=100, help_text="Such as Entra ID, or the year it is for"
    )
    days = forms.IntegerField(
        label="Good for (days)", min_value=1, max_value=LONGEST_DAYS, initial=DEFAULT_DAYS,
        help_text="Make the next one before it ends; both work side by side",
    )  # fmt: skip
