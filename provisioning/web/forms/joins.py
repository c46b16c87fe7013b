"""The forms about people with entries in several sources."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.core.precedence import ORDERED_FIELDS, SERVICE
from provisioning.models import DirectorySource, Joining
from provisioning.services.joins.candidates import BY
from provisioning.services.sync.lookalikes import HELD_BY
from provisioning.web.forms.mapping import label_of


class CompareForm(forms.Form):
    """Two sources, and what people of both have in common."""

    one = forms.ModelChoiceField(label="People of", queryset=DirectorySource.objects.none())
    other = forms.ModelChoiceField(label="and of", queryset=DirectorySource.objects.none())
    by = forms.ChoiceField(
        label="are one person with the same",
        choices=[
            (name, label[0].upper() + label[1:]) for name, label in BY.items()
        ],
        help_text="Exactly the same, but for blanks and case. A security identifier is the same "
        "where the sIDHistory of one names the objectSid of the other",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sources = DirectorySource.objects.order_by("name")
        for place, name in enumerate(("one", "other")):
            field: Any = self.fields[name]
            field.queryset, field.empty_label = sources, None
            if len(sources) > place:
                field.initial = sources[place].pk

    def clean(self) -> dict[str, Any]:
        """Two different ones."""
        values = super().clean() or self.cleaned_data
        if values.get("one") is not None and values.get("one") == values.get("other"):
            self.add_error("other", "Choose another source than the first.")
        return values


class JoiningForm(forms.Form):
    """Which entry counts for service and for each field, and which newcomers wait."""

    service = forms.ChoiceField(label="Disabled, expired, locked out", choices=Joining.Service)
    holds = forms.MultipleChoiceField(
        label="No second account for newcomers with the same",
        choices=[(name, label[0].upper() + label[1:]) for name, label in HELD_BY.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Whoever shares it with somebody of another source gets no account before "
        "somebody joins them or says that they are two people",
    )

    def __init__(self, *args: Any, joining: Joining, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(service=joining.service, holds=joining.holds)
        sources = DirectorySource.objects.order_by("name").values_list("pk", "name")
        choices = [("", "as ordered"), *((str(pk), f"{name} first") for pk, name in sources)]
        for name in ORDERED_FIELDS:
            label = "Service" if name == SERVICE else label_of(name)
            self.fields[f"first-{name}"] = forms.ChoiceField(
                label=label, choices=choices, required=False,
                initial=str(next(iter(joining.orders.get(name, ())), "")),
            )  # fmt: skip

    @property
    def orders(self) -> list[forms.BoundField]:
        """The fields that say which source comes first for one field."""
        return [self[f"first-{name}"] for name in ORDERED_FIELDS]

    @property
    def first(self) -> dict[str, int]:
        """Field → the source that comes first for it."""
        given = {name: self.cleaned_data[f"first-{name}"] for name in ORDERED_FIELDS}
        return {name: int(value) for name, value in given.items() if value}
