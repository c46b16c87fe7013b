"""The form of a source's write-back."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.models import WriteBack
from provisioning.services.write_back.account_values import NAMES
from provisioning.services.write_back.write_back import MAX_ATTRIBUTES

_SPARE = 2
_PLAIN = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}


class WriteBackForm(forms.ModelForm):  # type: ignore[type-arg] # not subscriptable at run time
    """On or off, as whom, the attributes with their expressions, and numbers used elsewhere.

    The secret is written, never shown: without a new one the stored one stays.
    """

    secret = forms.CharField(
        label="Password of the account that writes", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    elsewhere_expression = forms.CharField(
        label="Number used elsewhere",
        required=False,
        max_length=500,
        widget=forms.TextInput(
            attrs={**_PLAIN, "placeholder": "match(msRTCSIP-Line, '^tel:([^;]+)')"}
        ),
        help_text="An expression over the directory's attributes. What it gives for a person is a "
        "number that Teams or anything else serves: no rule, range or person gets it here",
    )

    class Meta:
        model = WriteBack
        fields = ("enabled", "bind_dn")
        help_texts = {  # noqa: RUF012 - Django's way
            "bind_dn": "An account of its own that may write these attributes and nothing else. "
            "Empty: the account that reads",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.instance.source
        self.fields["elsewhere_expression"].initial = source.elsewhere_expression
        if self.instance.sealed_secret:
            self.fields[
                "secret"
            ].help_text = "A password is kept; type to replace it. Another account needs its own."
        kept = list(source.written_attributes.order_by("attribute"))
        self._count = min(MAX_ATTRIBUTES, len(kept) + _SPARE)
        for place in range(self._count):
            row = kept[place] if place < len(kept) else None
            self.fields[f"attribute-{place}"] = forms.CharField(
                label=f"Attribute {place + 1}", required=False, max_length=60,
                initial=row.attribute if row else "",
                widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "ipPhone"}),
            )  # fmt: skip
            self.fields[f"expression-{place}"] = forms.CharField(
                label=f"Value {place + 1}", required=False, max_length=500,
                initial=row.expression if row else "",
                widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "first(extension, number)"}),
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Each attribute needs a value, and each value an attribute."""
        values = super().clean() or self.cleaned_data
        for place in range(self._count):
            name, text = values.get(f"attribute-{place}"), values.get(f"expression-{place}")
            if text and not name:
                self.add_error(f"attribute-{place}", "Name the attribute that gets this value.")
            if name and not text:
                self.add_error(f"expression-{place}", f"One of {', '.join(NAMES)}, or a function.")
        return values

    @property
    def attributes(self) -> dict[str, str]:
        """What was entered, attribute → expression."""
        values = self.cleaned_data
        pairs = (
            (values.get(f"attribute-{n}", ""), values.get(f"expression-{n}", ""))
            for n in range(self._count)
        )
        return {name: text for name, text in pairs if name}

    @property
    def secret_given(self) -> str | None:
        """The password that was typed, None where the stored one is to stay."""
        return self.cleaned_data.get("secret") or None

    @property
    def pairs(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """The fields of the attributes, name and value."""
        return [(self[f"attribute-{n}"], self[f"expression-{n}"]) for n in range(self._count)]

    def place_error(self, field: str, message: str) -> None:
        """Show what the service says at its field; `attribute.<name>` is found by the name."""
        name = field.partition(".")[2]
        for place in range(self._count):
            if name and self.cleaned_data.get(f"attribute-{place}") == name:
                field = f"attribute-{place}"
        self.add_error(field if field in self.fields else None, message)
