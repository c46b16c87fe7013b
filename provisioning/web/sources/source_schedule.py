"""The schedule of a source: how it is read and when."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from provisioning.core.errors import InvalidFields
from provisioning.models import DirectorySource
from provisioning.services.actor import Actor
from provisioning.services.directory.source_schedule import set_schedule
from provisioning.web.editing import EditPage
from provisioning.web.forms.schedule import ScheduleForm


class SourceSchedule(EditPage[DirectorySource]):
    """When a source is read, completely or by its changes."""

    model = DirectorySource
    form_class = ScheduleForm
    template = "sources/schedule.html"
    noun = "source"
    list_name = "sources"
    list_label = "Sources & sync"
    lead = "Reading is safe at any time: what changes is planned, limited and applied as always."

    def save(self, form: Any, actor: Actor) -> HttpResponse:
        """Keep the schedule."""
        source = form.instance
        try:
            set_schedule(source=source, actor=actor)
        except InvalidFields as error:
            fault = error.fields.pop("interval_seconds", "")
            if fault:
                form.add_error("every", fault)
            for field, message in error.fields.items():
                form.add_error(field, message)
            return self.show(source, form)
        return self.saved(
            f"The schedule of {source} is saved.", reverse("source", args=[source.pk])
        )

    def cancel(self, row: Any) -> str:
        """Back to the source."""
        return reverse("source", args=[row.pk])

    def context(self, row: Any, form: Any) -> dict[str, Any]:
        """The source's own title and way back."""
        return {
            "title": f"Schedule of {row}",
            "crumbs": [
                (self.list_label, reverse(self.list_name)),
                (str(row), reverse("source", args=[row.pk])),
                ("Schedule", ""),
            ],
        }
