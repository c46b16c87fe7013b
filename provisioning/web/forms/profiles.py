"""Forms of client profiles, of exports and of provisioning links."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.models import ClientProfile, ConsoleUser
from provisioning.profiles.registry import RENDERERS
from provisioning.services.clients.links import DEFAULT_HOURS

FORMATS = [(renderer.name, renderer.label) for renderer in RENDERERS.values()]
_HOURS = [(1, "1 hour"), (24, "1 day"), (72, "3 days"), (168, "7 days"), (720, "30 days")]
_NO_PERMISSION = "You may not export documents that hold a secret; an administrator gives that."


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """What clients are told besides who they are."""

    homepage = forms.URLField(required=False, assume_scheme="https")
    helpdesk = forms.URLField(label="Help desk", required=False, assume_scheme="https")

    class Meta:
        model = ClientProfile
        fields = (
            "name", "is_default", "allow_pc2pc", "allow_pc2ph", "allow_ph2ph", "allow_im",
            "media_encryption", "register_expires", "gateway_host", "gateway_port",
            "gateway_transport", "ca_pem", "provider", "homepage", "helpdesk", "valid_days",
        )  # fmt: skip
        labels = {"is_default": "Use it where no account and no rule names one"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "is_default": "The profile that was used there before is not any more",
            "allow_ph2ph": "Needs a TLS port at the account's SIP servers",
            "media_encryption": "Of the voice; signalling goes over TLS wherever the servers have "
            "it",
            "register_expires": "60 to 86,400",
            "gateway_host": "Where PC-phone calls go; empty: to the account's own SIP server",
            "ca_pem": "Given to clients that can take it with their document (baresip)",
            "provider": "Shown by clients, such as the name of your company",
            "valid_days": "Empty: they do not expire",
        }
        widgets = {  # noqa: RUF012
            "ca_pem": forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "rt-mono"})
        }

    def _get_validation_exclusions(self) -> set[str]:
        """Another default profile is no error: saving takes that place from it."""
        known: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # no stub
        return known | {"is_default"}


class SecretChoice(forms.Form):
    """A form with a choice whether documents hold their secret; only for those who may."""

    with_secret = forms.BooleanField(
        label="With the password or its digest, so that the client registers by itself",
        required=False,
    )

    def __init__(self, *args: Any, user: ConsoleUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not user.may_export_secrets:
            self.fields["with_secret"].disabled = True
            self.fields["with_secret"].help_text = _NO_PERMISSION


class ExportForm(SecretChoice):
    """Documents of many accounts."""

    format = forms.ChoiceField(choices=FORMATS)
    field_order = ("format", "with_secret")


class LinkForm(forms.Form):
    """A link that hands out one account's document."""

    format = forms.ChoiceField(choices=FORMATS, label="Client")
    hours = forms.TypedChoiceField(
        choices=_HOURS, coerce=int, initial=DEFAULT_HOURS, label="Works for"
    )
    several = forms.BooleanField(
        label="For several devices: it can be fetched more than once", required=False
    )
