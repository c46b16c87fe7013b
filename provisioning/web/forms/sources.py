"""Forms of directory sources."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.core.records import PERSON_FIELDS
from provisioning.core.roles import ROLE_CHOICES
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource
from provisioning.services.sources import KEY_ATTRIBUTES

_INTERVALS = {
    60: "Every minute", 300: "Every 5 minutes", 900: "Every 15 minutes", 1800: "Every 30 minutes",
    3600: "Every hour", 21600: "Every 6 hours", 86400: "Once a day",
}  # fmt: skip
_FIELD_HELP = {
    "login": "What somebody signs in with",
    "office": "Matched with the sites",
    "country": "Two letters; tells how national numbers are read",
    "phone": "The number that account rules may hand out",
    "sip_address": "A SIP URI that the directory holds already",
}
MAPPING = "mapping-"


class SourceForm(forms.ModelForm):  # type: ignore[type-arg] # not subscriptable at run time
    """A source: how to connect, what to read, the attribute map, schedule and limits.

    The password is written, never shown: an empty field keeps the stored one.
    """

    secret = forms.CharField(
        label="Password of the bind account",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = DirectorySource
        fields = (
            "name", "kind", "uris", "tls", "ca_pem", "bind_dn", "person_bases", "person_filter",
            "group_bases", "group_filter", "key_attribute", "disabled_expression", "page_size",
            "enabled", "interval_seconds", "grace_days", "allows_sign_in", "limit_percent",
            "limit_ceiling", "limit_membership_percent",
        )  # fmt: skip
        widgets = {  # noqa: RUF012 - Django's way
            "kind": forms.HiddenInput,
            "uris": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "ca_pem": forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
            "person_bases": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "group_bases": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "key_attribute": forms.Select(choices=[(name, name) for name in KEY_ATTRIBUTES]),
        }
        labels = {  # noqa: RUF012
            "interval_seconds": "Read the directory",
            "page_size": "Entries of one page",
            "disabled_expression": "Somebody is disabled when",
        }
        help_texts = {  # noqa: RUF012
            "name": "What people here call this directory",
            "ca_pem": "Who issued the directory's certificate; empty: those this machine trusts",
            "bind_dn": "An account that may read; it needs no right to write",
            "key_attribute": "What stays the same when somebody is renamed or moved",
            "disabled_expression": "This expression is not empty",
            "page_size": "1,000 suits nearly every directory",
            "grace_days": "Then the account is removed and its number becomes free",
            "limit_percent": "More loss of service or changed SIP URIs, numbers or pools within "
            "24 hours waits for approval",
            "limit_ceiling": "The smaller of both limits counts",
            "limit_membership_percent": "Of the members of one group",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.instance
        seconds = source.interval_seconds
        choices = sorted({**{seconds: f"Every {seconds:,} seconds"}, **_INTERVALS}.items())
        self.fields["interval_seconds"] = forms.TypedChoiceField(
            label="Read the directory", coerce=int, choices=choices
        )
        for name in PERSON_FIELDS:
            self.fields[f"{MAPPING}{name}"] = forms.CharField(
                label=label_of(name),
                required=False,
                max_length=500,
                initial=source.mapping.get(name, ""),
                help_text=_FIELD_HELP.get(name, ""),
                widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
            )
        for name in ("bind_dn", f"{MAPPING}login"):
            self.fields[name].required = True
        self.fields["secret"].required = not source.sealed_bind_secret
        if source.sealed_bind_secret:
            self.fields["secret"].help_text = (
                "A password is kept; type to replace it. It is erased when an address, the "
                "encryption or the authority changes: then enter it again."
            )

    def clean(self) -> dict[str, Any]:
        """Gather the attribute map; the model and the service judge the rest."""
        values = super().clean() or self.cleaned_data
        self.instance.mapping = {
            name: values.get(f"{MAPPING}{name}", "")
            for name in PERSON_FIELDS
            if values.get(f"{MAPPING}{name}")
        }
        return values

    @property
    def password(self) -> str | None:
        """The password that was typed, None where the stored one is to stay."""
        return self.data.get("secret") or None

    @property
    def map_fields(self) -> list[forms.BoundField]:
        """The fields of the attribute map."""
        return [self[f"{MAPPING}{name}"] for name in PERSON_FIELDS]


class RoleGroupForm(forms.Form):
    """A group of the directory and the role that its members get."""

    group = forms.IntegerField(
        error_messages={"required": "Look for a group and choose it.", "invalid": "No such group."}
    )
    role = forms.ChoiceField(choices=ROLE_CHOICES)


def new_source(kind: str) -> DirectorySource:
    """A source of that kind with everything filled in that its preset knows."""
    preset = DEFAULT_MAPPINGS[kind]
    return DirectorySource(
        kind=kind,
        key_attribute=preset.key_attribute,
        person_filter=preset.person_filter,
        group_filter=preset.group_filter,
        mapping=dict(preset.fields),
        disabled_expression=preset.disabled,
    )


def label_of(field: str) -> str:
    """How a field of a person is called."""
    words = {"login": "user name", "display_name": "name", "sip_address": "SIP address",
             "employee_id": "employee number"}  # fmt: skip
    text = words.get(field, field.replace("_", " "))
    return text[:1].upper() + text[1:]
