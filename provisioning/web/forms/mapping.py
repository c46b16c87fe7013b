"""The fields of the attribute map in the form of a source."""

from __future__ import annotations

from django import forms

from provisioning.directory.mapping import DISABLED_OF, MAP_FIELDS
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource

MAPPING = "mapping-"
DISABLED = "disabled"
# What the page shows together: who somebody is, how to call them, and how they stand.
PARTS = {
    "Who it is": (
        "login", "display_name", "given_name", "surname", "title", "department", "office",
        "country", "employee_id", "manager", "custom",
    ),
    "How to call": ("mail", "phone", "mobile", "sip_address", "extension"),
    "What becomes of the account": (
        "kind", *DISABLED_OF.values(), "expires_at", "locked_out", "must_change_password",
    ),
}  # fmt: skip

_HELP = {
    "login": "What somebody signs in with",
    "office": "Matched with the sites",
    "country": "Two letters; tells how national numbers are read where no site does",
    "phone": "The number that account rules may hand out",
    "sip_address": "A SIP URI that the directory holds already",
    "extension": "An internal number, for account rules",
    "custom": "Whatever else account rules ask for, such as extensionAttribute1",
    "manager": "A DN; the person's page leads to the manager",
    "kind": "person (also where it is empty), room, common-area phone, contractor, service, or "
    "left out",
    "expires_at": "A moment; then service ends by itself",
    "locked_out": "Shown only: it takes no service away",
    "must_change_password": "Shown only: it takes no service away",
    **dict.fromkeys(DISABLED_OF.values(), "Empty: as persons; '' in quotes: never"),
}
_LABELS = {
    "login": "user name",
    "display_name": "name",
    "sip_address": "SIP address",
    "employee_id": "employee number",
    "kind": "kind of account",
    "expires_at": "expires",
    "locked_out": "locked out when",
    "must_change_password": "must change password when",
    "disabled": "disabled",
    **{field: f"a {kind} is disabled when" for kind, field in DISABLED_OF.items()},
}


def label_of(field: str) -> str:
    """How a field of a person, or of the attribute map, is called."""
    text = _LABELS.get(field, field.replace("_", " "))
    return text[:1].upper() + text[1:]


def map_fields(source: DirectorySource) -> dict[str, forms.CharField]:
    """A field for each expression of the map, with what is usual for the kind of directory."""
    usual = DEFAULT_MAPPINGS[source.kind].fields if source.kind in DEFAULT_MAPPINGS else {}
    return {
        f"{MAPPING}{name}": forms.CharField(
            label=label_of(name),
            required=name == "login",
            max_length=500,
            initial=source.mapping.get(name, ""),
            help_text=_HELP.get(name, ""),
            widget=forms.TextInput(
                attrs={
                    "spellcheck": "false",
                    "autocomplete": "off",
                    "placeholder": usual.get(name, ""),
                    "aria-describedby": f"id_{MAPPING}{name}_helptext result-{MAPPING}{name}",
                }
            ),
        )
        for name in MAP_FIELDS
    }


def texts_of(source: DirectorySource) -> dict[str, str]:
    """Each expression of the map as it stands there, "disabled" of persons among them."""
    texts = {name: source.mapping.get(name, "") for name in MAP_FIELDS}
    return texts | {DISABLED: source.disabled_expression}
