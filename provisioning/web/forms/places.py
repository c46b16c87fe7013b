"""Forms of pools, SIP domains and sites."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings

from provisioning.core.errors import InvalidInput
from provisioning.core.telephone import normalise
from provisioning.models import ServerPool, SipDomain, Site


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """A pool is only a name; servers and stores say which pool they are of."""

    class Meta:
        model = ServerPool
        fields = ("name",)
        help_texts = {"name": "Such as a region or a data centre"}  # noqa: RUF012


class StagesForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """How changes come to a pool: stages, their gate, change windows, approval."""

    first = forms.CharField(
        label="First servers",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Their names, one a line, in the order in which stages come to them; the others "
        "follow by name",
    )
    time_zone = forms.ChoiceField(choices=(), required=False)
    field_order = ("staged", "first")

    class Meta:
        model = ServerPool
        fields = (
            "staged", "gate_seconds", "most_lost_percent", "most_failed_percent", "stage_from",
            "batch_size", "windows", "time_zone", "needs_approval",
        )  # fmt: skip
        widgets = {  # noqa: RUF012
            "windows": forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "rt-mono"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zoneinfo.available_timezones())
        console = ("", f"That of the console ({settings.TIME_ZONE})")
        self.fields["time_zone"].choices = [console, *((zone, zone) for zone in zones)]  # type: ignore[attr-defined]

    def clean_first(self) -> list[str]:
        """The names, without empty lines."""
        return [name.strip() for name in self.cleaned_data["first"].splitlines() if name.strip()]


class SipDomainForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """A SIP domain, its realm, and how much may change in a day without an approval."""

    confirmed = forms.BooleanField(
        label="Change the credentials of every account of this SIP domain",
        required=False,
        widget=forms.HiddenInput,
    )

    class Meta:
        model = SipDomain
        fields = ("domain", "realm_override", "limit_percent", "limit_ceiling")
        labels = {"domain": "SIP domain", "realm_override": "Realm"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "domain": "What stands behind the @ of SIP URIs, such as voice.example.com",
            "realm_override": "What SIP servers ask credentials for. Leave it empty: then it is "
            "the domain itself.",
            "limit_percent": "So many of its accounts, in percent, may lose service or change "
            "within 24 hours; more waits for an approval",
            "limit_ceiling": "And never more accounts than this",
        }

    def ask_for_confirmation(self) -> None:
        """Show the box that says that the consequences are meant."""
        self.fields["confirmed"].widget = forms.CheckboxInput()


class DialledForm(forms.Form):
    """A number as it is dialled, to see what the rules of the form make of it."""

    dialled = forms.CharField(label="Try the dial rules", max_length=40, required=False)
    dial_rules = forms.CharField(required=False)


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """A place whose country decides how its people's numbers are read."""

    country = forms.CharField(
        max_length=2,
        help_text="Two letters (ISO 3166), such as GB: numbers without a country code are read as "
        "numbers of this country",
        widget=forms.TextInput(attrs={"autocapitalize": "characters"}),
    )
    time_zone = forms.ChoiceField(choices=())
    main_number = forms.CharField(
        max_length=40,
        required=False,
        help_text="Shown beyond gateways of accounts whose presented number is that of their site",
    )
    emergency_callback = forms.CharField(
        label="Emergency callback number",
        max_length=40,
        required=False,
        help_text="Shown to emergency services when somebody here calls them",
    )

    class Meta:
        model = Site
        fields = (
            "name", "country", "time_zone", "address", "main_number", "emergency_callback",
            "match_values", "dial_rules",
        )  # fmt: skip
        help_texts = {  # noqa: RUF012
            "dial_rules": r"What people here dial becomes a number with its country code: one rule "
            r"per line, such as 0([1-9]\d+) -> +44\1. The first that fits the whole number counts",
            "match_values": "Values of “office” in the directory that mean this site, one per "
            "line; its name is one already",
        }
        widgets = {  # noqa: RUF012
            "address": forms.Textarea(attrs={"rows": 3}),
            "match_values": forms.Textarea(attrs={"rows": 4}),
            "dial_rules": forms.Textarea(
                attrs={"rows": 6, "spellcheck": "false", "class": "rt-mono"}
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zoneinfo.available_timezones())
        self.fields["time_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        self.initial.setdefault("time_zone", "UTC")
        # "Germany" is refused; cut by the browser it would be Georgia.
        self.fields["country"].widget.attrs.pop("maxlength")

    def clean_country(self) -> str:
        """Capital letters, however they were typed."""
        return str(self.cleaned_data["country"]).upper()

    def clean(self) -> dict[str, Any]:
        """Numbers as E.164; each says itself what is wrong with it."""
        values: dict[str, Any] = super().clean() or {}
        for name in ("main_number", "emergency_callback"):
            if values.get(name):
                try:
                    values[name] = normalise(values[name], values.get("country", ""))
                except InvalidInput as error:
                    self.add_error(name, error.message)
        return values
