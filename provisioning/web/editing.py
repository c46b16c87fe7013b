"""The base of pages on which an administrator adds, changes and deletes one thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from provisioning.core.errors import InvalidFields, ProvisioningError
from provisioning.core.roles import Capability
from provisioning.services.actor import Actor
from provisioning.web import as_opened
from provisioning.web.access import ConsoleRequest, Needs, actor_of, needs

M = TypeVar("M", bound=Model)


class EditPage(Needs, Generic[M]):
    """One form at two addresses: without an id it adds, with one it changes.

    Subclasses name the service in `save`; what the service refuses stands above the form, and
    nothing was kept.
    """

    capability = Capability.CONFIGURE
    model: ClassVar[type[Model]]
    form_class: ClassVar[type[forms.ModelForm[Any]]]
    template: ClassVar[str] = "editing/edit.html"
    noun: ClassVar[str]
    list_name: ClassVar[str]
    list_label: ClassVar[str]
    delete_name: ClassVar[str] = ""
    lead: ClassVar[str] = ""

    def get(self, request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
        """The form."""
        row = self.find(pk)
        return self.show(row, self.form_class(instance=row, initial=self.initial(row)))

    def post(self, request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
        """Save, or say above the form why not."""
        row = self.find(pk)
        crossing = self.crossing(row)
        form = self.form_class(request.POST, instance=row)
        if crossing:
            form.add_error(None, crossing)
        if form.is_valid():
            try:
                return self.save(form, actor_of(request))
            except InvalidFields as error:
                for field, text in error.fields.items():
                    form.add_error(field if field in form.fields else None, text)
            except ProvisioningError as error:
                form.add_error(None, error.message)
        return self.show(row, form)

    def crossing(self, row: Any) -> str:
        """What to say where somebody else changed the row since the form was opened."""
        if row is None:
            return ""
        return as_opened.begin(self.request, row, self.form_class.base_fields)

    def save(self, form: Any, actor: Actor) -> HttpResponse:
        """Call the service with `form.instance`, and say where to go."""
        raise NotImplementedError

    def initial(self, row: Model | None) -> dict[str, Any]:
        """What a new form begins with."""
        return {}

    def find(self, pk: int | None) -> Any:
        """The row to change, or None when one is added; 404 where there is none."""
        return None if pk is None else get_object_or_404(self.model, pk=pk)

    def context(self, row: Any, form: Any) -> dict[str, Any]:
        """What the template needs besides title, form and addresses."""
        return {}

    def show(self, row: Any, form: Any) -> HttpResponse:
        """The page; 422 when something is wrong, so that htmx and browsers both show it."""
        # A refused form has already changed its instance: the title keeps the name that is kept.
        kept = self.find(row.pk) if row is not None else None
        title = f"Change {kept}" if kept is not None else f"New {self.noun}"
        context = {
            "title": title,
            "lead": self.lead,
            "crumbs": [(self.list_label, reverse(self.list_name)), (title, "")],
            "form": form,
            "row": kept,
            "as_opened": as_opened.seal(kept, form.base_fields) if kept is not None else "",
            "noun": self.noun,
            "cancel": self.cancel(kept),
            "delete": reverse(self.delete_name, args=[kept.pk])
            if kept and self.delete_name
            else "",
            **self.context(kept, form),
        }
        status = 422 if form.is_bound and form.errors else 200
        return render(self.request, self.template, context, status=status)

    def cancel(self, row: Any) -> str:
        """Where somebody goes who changes nothing."""
        return reverse(self.list_name)

    def saved(self, text: str, url: str | None = None) -> HttpResponse:
        """Say what happened and go to `url`, or to the list."""
        messages.success(self.request, text)
        return redirect(url or reverse(self.list_name))


def delete_view(
    model: type[M], delete: Callable[[M, Actor], None], list_name: str, back_name: str
) -> Callable[..., HttpResponseBase]:
    """A view that deletes one row; what still uses it is said on the page `back_name`."""

    @needs(Capability.CONFIGURE)
    @require_POST
    def view(request: ConsoleRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(model, pk=pk)
        name = str(row)
        try:
            delete(row, actor_of(request))
        except ProvisioningError as error:
            messages.error(request, f"{name} was not deleted.\n{error.message}")
            return redirect(back_name, pk)
        messages.success(request, f"{name} was deleted.")
        return redirect(list_name)

    return view
