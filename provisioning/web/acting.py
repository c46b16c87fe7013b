"""The answer to a form that does something: on to the next page, or what was refused in it."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect

from provisioning.core.errors import InvalidFields, ProvisioningError
from provisioning.services.console.once import Done, do_once
from provisioning.web.access import ConsoleRequest


def act_once(request: ConsoleRequest, act: Callable[[], Done]) -> HttpResponse:
    """Do it, say so, and go on to the next page; the same form (field `once`) acts once.

    What `act` raises is passed on.
    """
    done = do_once(key=request.POST.get("once", ""), user=request.user, act=act)
    messages.success(request, done.said)
    return HttpResponseClientRedirect(done.goal) if request.htmx else redirect(done.goal)


def refuse(form: forms.BaseForm, error: ProvisioningError, field: str | None = None) -> None:
    """Put what a service refused into the form: at the fields it names, at `field`, or above."""
    if isinstance(error, InvalidFields):
        for name, message in error.fields.items():
            form.add_error(name if name in form.fields else None, message)
    else:
        form.add_error(field, error.message)
