"""The form of a source's schedule."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms

from provisioning.models import DirectorySource
from provisioning.services.directory.source_schedule import modes_of

_UNITS = {3600: "hours", 60: "minutes", 1: "seconds"}


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg] # not subscriptable at run time
    """How a source is read, how often, and when everything is; an interval as number and unit."""

    every = forms.IntegerField(label="Every", min_value=1, max_value=604_800)
    unit = forms.TypedChoiceField(label="Unit", coerce=int, choices=sorted(_UNITS.items()))
    full_zone = forms.ChoiceField(label="Time zone", choices=())

    class Meta:
        model = DirectorySource
        fields = ("mode", "enabled", "full_at", "full_zone")
        widgets = {  # noqa: RUF012 - Django's way
            "full_at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }
        labels = {"mode": "What is read", "full_at": "Read everything daily at"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "full_at": "Proves what was read by changes, and reports what they missed. "
            "Not used while everything is read each time",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.instance
        self.fields["mode"].choices = [(mode.value, mode.label) for mode in modes_of(source)]  # type: ignore[attr-defined]
        zones = sorted(zoneinfo.available_timezones())
        self.fields["full_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        seconds = source.interval_seconds
        unit = next(unit for unit in _UNITS if seconds % unit == 0)
        self.initial.update(every=seconds // unit, unit=unit)

    def clean(self) -> dict[str, Any]:
        """Join number and unit."""
        values = super().clean() or self.cleaned_data
        if "every" in values and "unit" in values:
            self.instance.interval_seconds = values["every"] * values["unit"]
        return values
