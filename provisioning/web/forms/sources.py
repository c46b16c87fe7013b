"""Forms of directory sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings

from provisioning.core.errors import InvalidInput
from provisioning.core.roles import ROLE_CHOICES
from provisioning.directory.mapping import MAP_FIELDS
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource
from provisioning.services.directory.certificates import certificate_text
from provisioning.services.directory.source_identity import SECRETS, Method, secret_text
from provisioning.services.directory.sources import KEY_ATTRIBUTES
from provisioning.web.forms.mapping import DISABLED, MAPPING, PARTS, map_fields

_LARGEST_UPLOAD = 200_000
_INTERVALS = {
    60: "Every minute", 300: "Every 5 minutes", 900: "Every 15 minutes", 1800: "Every 30 minutes",
    3600: "Every hour", 21600: "Every 6 hours", 86400: "Once a day",
}  # fmt: skip


class SourceForm(forms.ModelForm):  # type: ignore[type-arg] # not subscriptable at run time
    """A source: how to connect, what to read, the attribute map, schedule and limits.

    The secret is written, never shown: without a new one the stored one stays.
    """

    secret = forms.CharField(
        label="Password of the bind account",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    secret_file = forms.FileField(label="Keytab or private key", required=False, max_length=200)
    ca_file = forms.FileField(
        label="or upload it",
        required=False,
        max_length=200,
        help_text="PEM or DER (.crt, .cer, .pem)",
    )
    certificate_file = forms.FileField(
        label="or upload the client certificate", required=False, max_length=200
    )

    class Meta:
        model = DirectorySource
        fields = (
            "name", "kind", "uris", "tls", "ca_pem", "bind_method", "bind_dn",
            "client_certificate", "connect_timeout", "read_timeout", "person_bases",
            "person_filter", "group_bases", "group_filter", "key_attribute", "disabled_expression",
            "photo_attribute", "page_size", "enabled", "interval_seconds", "grace_days",
            "allows_sign_in", "limit_percent", "limit_ceiling", "limit_membership_percent",
        )  # fmt: skip
        widgets = {  # noqa: RUF012 - Django's way
            "kind": forms.HiddenInput,
            "uris": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "ca_pem": forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
            "client_certificate": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
            "person_bases": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "group_bases": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "key_attribute": forms.Select(choices=[(name, name) for name in KEY_ATTRIBUTES]),
        }
        labels = {  # noqa: RUF012
            "interval_seconds": "Read the directory",
            "page_size": "Entries of one page",
            "bind_method": "Sign in with",
            "disabled_expression": "Somebody is disabled when",
        }
        help_texts = {  # noqa: RUF012
            "name": "What people here call this directory",
            "ca_pem": "Who issued the directory's certificate; empty: those this machine trusts",
            "bind_dn": "An account that may read; it needs no right to write. A DN or user@domain; "
            "with Kerberos the principal, such as svc-rtcadmin@EXAMPLE.COM",
            "client_certificate": "The directory says which account it stands for",
            "connect_timeout": f"Empty: {settings.LDAP_CONNECT_TIMEOUT:g}",
            "read_timeout": f"Empty: {settings.LDAP_READ_TIMEOUT:g}",
            "person_bases": "One DN per line; DN?one reads one level only, DN??(l=Bonn) only those "
            "that match as well",
            "group_bases": "As for people; empty reads no groups",
            "key_attribute": "What stays the same when somebody is renamed or moved",
            "disabled_expression": "This expression is not empty",
            "photo_attribute": "The attribute with the portrait; it is asked for when the page of "
            "a person is opened, and not kept. Empty: none",
            "page_size": "1,000 suits nearly every directory",
            "grace_days": "Then the account is removed and its number becomes free",
            "limit_percent": "More loss of service or changed SIP URIs, numbers or pools within "
            "24 hours waits for approval",
            "limit_ceiling": "The smaller of both limits counts",
            "limit_membership_percent": "Of the members of one group",
        }

    _uploaded = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.instance
        seconds = source.interval_seconds
        choices = sorted({**{seconds: f"Every {seconds:,} seconds"}, **_INTERVALS}.items())
        self.fields["interval_seconds"] = forms.TypedChoiceField(
            label="Read the directory", coerce=int, choices=choices
        )
        self.fields |= map_fields(source)
        self.fields["disabled_expression"].widget.attrs |= {
            "spellcheck": "false", "autocomplete": "off",
            "placeholder": DEFAULT_MAPPINGS[source.kind].disabled,
            "aria-describedby": "id_disabled_expression_helptext result-disabled",
        }  # fmt: skip
        method = self.data.get("bind_method") or source.bind_method
        self.fields["bind_dn"].required = method != Method.EXTERNAL
        self.fields["secret"].required = method == Method.SIMPLE and not source.sealed_bind_secret
        if source.sealed_bind_secret:
            kept = f"A {SECRETS[Method(source.bind_method)]} is kept"
            erased = (
                "It is erased when an address, the encryption, the authority or the way of signing "
                "in changes: then enter it again."
            )
            self.fields["secret"].help_text = f"{kept}; type to replace it. {erased}"
            self.fields["secret_file"].help_text = f"{kept}; choose a file to replace it. {erased}"

    def clean(self) -> dict[str, Any]:
        """Gather uploads and the attribute map; the model and the service judge the rest."""
        values = super().clean() or self.cleaned_data
        for upload, field in (("ca_file", "ca_pem"), ("certificate_file", "client_certificate")):
            if content := self._content(upload):
                values[field] = self._take(upload, certificate_text, content)
        if content := self._content("secret_file"):
            self._uploaded = self._take("secret_file", secret_text, content)
        self.instance.mapping = {
            name: values.get(f"{MAPPING}{name}", "")
            for name in MAP_FIELDS
            if values.get(f"{MAPPING}{name}")
        }
        return values

    @property
    def secret_given(self) -> str | None:
        """The secret that was typed or uploaded, None where the stored one is to stay."""
        if self.instance.bind_method == Method.SIMPLE:
            return self.data.get("secret") or None
        return self._uploaded or None

    def _content(self, name: str) -> bytes:
        """What was uploaded; empty for nothing, and for what is too long to be looked at."""
        file = self.cleaned_data.get(name)
        if not file:
            return b""
        if file.size > _LARGEST_UPLOAD:
            self.add_error(name, "The file is too large for a key or a certificate.")
            return b""
        return bytes(file.read())

    def _take(self, name: str, use: Callable[[bytes], str], content: bytes) -> str:
        """`use(content)`, or what is wrong with it at the field."""
        try:
            return use(content)
        except InvalidInput as error:
            self.add_error(name, error.message)
            return ""

    @property
    def map_parts(self) -> list[tuple[str, list[tuple[forms.BoundField, str]]]]:
        """The fields of the attribute map by heading, each with the id of its result."""
        parts = [
            (heading, [(self[f"{MAPPING}{name}"], f"result-{MAPPING}{name}") for name in names])
            for heading, names in PARTS.items()
        ]
        parts[-1][1].insert(0, (self["disabled_expression"], f"result-{DISABLED}"))
        return parts


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
        photo_attribute=preset.photo,
        mode=preset.mode,
        interval_seconds=preset.interval,
    )
