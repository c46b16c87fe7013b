"""The form of a channel of alerts; its secret is written, never shown."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.core.severity import SEVERITY_CHOICES
from provisioning.models import AlertChannel
from provisioning.web.forms.servers import SecretField

_LINES = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
_PEM = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "rt-mono"})


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """One way to tell somebody."""

    severities = forms.MultipleChoiceField(
        label="What it is told", choices=SEVERITY_CHOICES, widget=forms.CheckboxSelectMultiple,
        initial=["critical", "warning"],
    )  # fmt: skip
    secret = SecretField(
        label="Signing secret",
        help_text="With it the receiver proves that a message is from here; make it long",
    )

    class Meta:
        model = AlertChannel
        fields = (
            "name", "kind", "severities", "repeat_hours", "url", "ca_pem", "recipients", "enabled",
        )  # fmt: skip
        widgets = {"recipients": _LINES, "ca_pem": _PEM}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "url": "Such as https://hooks.example.com/sip; what is secret in it belongs into the "
            "signing secret instead",
            "ca_pem": "Empty means: the authorities that this machine trusts",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = [("", "Choose"), *AlertChannel.Kind.choices]
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        if self.instance.sealed_secret is not None:
            self.fields["secret"].say_that_one_is_kept(  # type: ignore[attr-defined]
                "Kept; type to replace. It is erased when the address or the certificate authority "
                "changes."
            )

    @property
    def new_secret(self) -> str | None:
        """What was typed, or None to keep what is kept."""
        return self.cleaned_data.get("secret") or None
