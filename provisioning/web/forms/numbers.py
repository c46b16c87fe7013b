"""Forms of numbers and ranges."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.models import Number, NumberRange, Site
from provisioning.services.numbers.number_import import MAX_BYTES

_TEL = {"inputmode": "tel", "autocomplete": "off"}
_UNASSIGNED = [choice for choice in Number.State.choices if choice[0] != Number.State.ASSIGNED]


class GiveForm(forms.Form):
    """Whose number it becomes."""

    aor = forms.CharField(
        label="SIP URI of the account",
        max_length=140,
        help_text="Such as sip:reception@voice.example.com.",
        widget=forms.TextInput(attrs={"class": "rt-mono", "autocapitalize": "none"}),
    )


class StateForm(forms.Form):
    """What a number that nobody has is."""

    state = forms.ChoiceField(choices=_UNASSIGNED)
    note = forms.CharField(max_length=200, required=False, help_text="Such as: fax, ground floor.")


class NewNumberForm(StateForm):
    """A number that the console does not know yet."""

    number = forms.CharField(
        max_length=40,
        help_text="With country code, such as +44 20 7946 0123.",
        widget=forms.TextInput(attrs=_TEL),
    )
    field_order = ("number", "state", "note")


class RangeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A range of numbers."""

    class Meta:
        model = NumberRange
        fields = ("name", "first", "last", "site", "extension_digits", "authority")
        help_texts = {  # noqa: RUF012 - Django's form options
            "first": "With country code and without spaces, such as +442079460000.",
            "last": "As many digits as the first; at most 1,000,000 numbers.",
        }
        widgets = {  # noqa: RUF012 - Django's form options
            "first": forms.TextInput(attrs=_TEL),
            "last": forms.TextInput(attrs=_TEL),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["site"].empty_label = "No site"  # type: ignore[attr-defined]


class ImportForm(forms.Form):
    """The file with the numbers."""

    file = forms.FileField(
        label="CSV file",
        help_text="Columns: number, and any of account (SIP URI), state, note, range. At most 5 MB "
        "and 50,000 lines; commas, semicolons or tabs between the columns.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )
    site = forms.ModelChoiceField(
        Site.objects.order_by("name"),
        required=False,
        empty_label="No site",
        help_text="Numbers without a country code are read as those of its country.",
    )

    def clean_file(self) -> str:
        """The text of the file; UTF-8, with or without a byte order mark."""
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file is larger than 5 MB; split it.")
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError(
                "The file is not UTF-8 text. Save it as “CSV UTF-8” and choose it again."
            ) from None
        return text
