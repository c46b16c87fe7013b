"""Forms of gateways, routes and trusted hosts."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.models import Gateway, GroupAddress, Route, Site, TrustedHost
from provisioning.web.forms.servers import SecretField


class GatewayForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """A next hop for calls, and the registration at it where it is a trunk."""

    number = forms.IntegerField(
        label="Number at the servers",
        required=False,
        min_value=1,
        max_value=999_999_999,
        help_text="Empty: the next free one. At Kamailio it is the dispatcher set; choose one that "
        "nobody else uses there",
    )
    secret = SecretField(label="Password")

    class Meta:
        model = Gateway
        fields = (
            "name", "enabled", "host", "port", "transport", "strip", "prefix", "t38", "registers",
            "user", "domain", "auth_user", "realm", "expires", "number",
        )  # fmt: skip
        labels = {  # noqa: RUF012
            "enabled": "Use this gateway",
            "strip": "Take away from the beginning",
            "prefix": "Then put before",
            "t38": "It takes faxes as T.38",
            "registers": "The SIP servers register there",
            "user": "User name",
            "domain": "Registrar's domain",
            "auth_user": "User name for authentication",
            "expires": "Registers anew after (seconds)",
        }
        help_texts = {  # noqa: RUF012
            "enabled": "Without it, its routes go to their next gateway",
            "host": "A name or an address, such as sbc.carrier.example",
            "port": "5061 for TLS, 5060 for TCP and UDP",
            "strip": "So many characters: 1 takes the + away",
            "prefix": "Such as 00 or 0",
            "t38": "Kamailio hands faxes through as they are; what it keeps is for others",
            "registers": "As a trunk at a provider that gave you a user name and a password",
            "domain": "Empty: the host",
            "auth_user": "Empty: the user name",
            "realm": "What the provider asks the password for. Empty: the registrar's domain",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.sealed_secret is not None:
            self.fields["secret"].say_that_one_is_kept(  # type: ignore[attr-defined]
                "Kept; type to replace. It is erased when host, port, transport, domain, realm or "
                "names change, so that it never answers to anybody else."
            )

    @property
    def new_secret(self) -> str | None:
        """What was typed, or None to keep what is kept."""
        return self.cleaned_data.get("secret") or None


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """Where numbers that begin alike go."""

    class Meta:
        model = Route
        fields = (
            "name", "prefix", "category", "first_gateway", "second_gateway", "third_gateway",
            "site",
        )  # fmt: skip
        labels = {  # noqa: RUF012
            "prefix": "Numbers that begin with",
            "first_gateway": "Go to",
            "second_gateway": "If that does not answer, to",
            "third_gateway": "And then to",
        }
        help_texts = {  # noqa: RUF012
            "category": "Who may call them depends on it. An emergency number is given whole, and "
            "everybody may call it",
            "site": "None: for callers everywhere. With a site, for its people in place of the "
            "route for everybody",
            "prefix": "Such as +44 or +1900; + alone is every number. Of several routes that fit, "
            "the longest beginning counts",
            "first_gateway": "None: calls to these numbers are refused",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        empty = {"first_gateway": "None", "second_gateway": "None", "third_gateway": "None",
                 "site": "Everywhere"}  # fmt: skip
        for name, label in empty.items():
            self.fields[name].empty_label = label  # type: ignore[attr-defined]
        category = self.fields["category"]
        category.choices = [("", "Choose"), *Route.CATEGORIES]  # type: ignore[attr-defined]


class TrustedHostForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """Addresses from which SIP servers treat requests alike."""

    class Meta:
        model = TrustedHost
        fields = ("name", "network", "treatment")
        help_texts = {  # noqa: RUF012
            "network": "Such as 192.0.2.7 or 192.0.2.0/24",
            "treatment": "Whoever sends from there needs no password: name as few addresses as "
            "possible",
        }


class GroupAddressForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """A SIP URI and a number that lead to a queue, a conference or a hunt group."""

    number = forms.CharField(
        max_length=40,
        required=False,
        help_text="With its country code; none: the SIP URI only. No account gets it meanwhile",
    )

    class Meta:
        model = GroupAddress
        fields = ("name", "user_part", "domain", "number", "target")
        help_texts = {  # noqa: RUF012
            "user_part": "Such as support: what stands before the @",
            "target": "What is there already, such as sip:600@pbx.example.com:5060;transport=tcp",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["domain"].empty_label = "Choose"  # type: ignore[attr-defined]


class TryForm(forms.Form):
    """A number, to see which route it takes."""

    number = forms.CharField(label="Which way does a call take?", max_length=40)
    site = forms.ModelChoiceField(
        label="From", queryset=Site.objects.order_by("name"), required=False, empty_label="Anywhere"
    )
