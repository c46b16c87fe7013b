"""The form of one setting, made from its type."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.resolver import Effective
from provisioning.core.settings.types import AnyOf, Choice, Integer, Several, Switch, Value


class SettingForm(forms.Form):
    """The value that is given at a place; `approved` appears once a limit asks for it."""

    approved = forms.BooleanField(
        required=False, label="I approve that so many lose it", widget=forms.HiddenInput
    )

    def __init__(self, effective: Effective, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setting = effective.setting
        self.fields["value"] = _field(effective)
        self.order_fields(["value", "approved"])

    def clean_value(self) -> Value:
        """What was typed as a value of the setting's type."""
        try:
            typed = self.cleaned_data["value"]
            return self.setting.type.read(typed if isinstance(typed, str) else ", ".join(typed))
        except InvalidInput as error:
            raise ValidationError(error.message) from error

    def ask_for_approval(self) -> None:
        """Show the tick that confirms what passes a limit."""
        self.fields["approved"].widget = forms.CheckboxInput()


def _field(effective: Effective) -> forms.Field:
    setting, kind = effective.setting, effective.setting.type
    about: dict[str, Any] = {
        "label": setting.label,
        "initial": kind.write(effective.value),
        "help_text": setting.help,
    }
    if isinstance(kind, Switch):
        return forms.ChoiceField(choices=[("on", kind.on), ("off", kind.off)], **about)
    if isinstance(kind, Choice):
        return forms.ChoiceField(choices=kind.options, **about)
    if isinstance(kind, AnyOf):
        ticks = forms.CheckboxSelectMultiple
        about |= {"choices": kind.options, "initial": effective.value}
        about["help_text"] = f"{setting.help} None ticked: {kind.none.lower()}."
        return forms.MultipleChoiceField(required=False, widget=ticks, **about)
    about["help_text"] = f"{setting.help} {kind.hint[:1].upper()}{kind.hint[1:]}."
    if isinstance(kind, Several):
        widget: forms.Widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
        return forms.CharField(required=False, strip=False, widget=widget, **about)
    attributes = {"spellcheck": "false", "autocomplete": "off"}
    if isinstance(kind, Integer):
        attributes["inputmode"] = "numeric"
    widget = forms.TextInput(attrs=attributes)
    # A text may be none at all; numbers may not.
    return forms.CharField(required=not hasattr(kind, "none"), widget=widget, **about)
