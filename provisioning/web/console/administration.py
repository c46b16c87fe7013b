"""Administration: who signs in to the console."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability, Role
from provisioning.models import ConsoleUser, RoleGroup
from provisioning.services.console import console_users
from provisioning.web import as_opened
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.administration import NewConsoleUserForm, RightsForm
from provisioning.web.forms.sign_in import NewPasswordForm, OwnPasswordForm
from provisioning.web.shell import href_of


@needs(Capability.ADMINISTER)
@require_safe
def administration(request: ConsoleRequest) -> HttpResponse:
    """Every console user, and the directory groups whose members may sign in."""
    users = ConsoleUser.objects.select_related("source").order_by("-is_active", "username")
    groups = RoleGroup.objects.select_related("source", "group")
    context = {
        "title": "Administration",
        "lead": "Who signs in to the console, and what they may do.",
        "users": users,
        "role_groups": groups.order_by("source__name", "group__name"),
    }
    return render(request, "administration/administration.html", context)


@needs(Capability.ADMINISTER)
@sensitive_post_parameters("password", "repeated")
@require_http_methods(["GET", "POST"])
def new(request: ConsoleRequest) -> HttpResponse:
    """Create a local console user."""
    form = NewConsoleUserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            user = console_users.create_local(
                username=values["username"],
                name=values["name"],
                role=Role(values["role"]),
                password=values["password"],
                may_export_secrets=values["may_export_secrets"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{user} can sign in now.\nPass the password on safely.")
            return redirect("administration")
    context = {"title": "New console user", "crumbs": _crumbs(), "form": form}
    return _page(request, "administration/new.html", context, form)


@needs(Capability.ADMINISTER)
@require_http_methods(["GET", "POST"])
def edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What a console user may do."""
    user = get_object_or_404(ConsoleUser.objects.select_related("source"), pk=pk)
    crossing = as_opened.begin(request, user, RightsForm.base_fields)
    form = RightsForm(request.POST or None, user=user)
    if crossing:
        form.add_error(None, crossing)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            console_users.change(
                user=user,
                name=values["name"],
                role=Role(values["role"]),
                may_export_secrets=values["may_export_secrets"],
                is_active=values["is_active"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{user} was changed.\nIt holds from the next click on.")
            return redirect("administration")
    return _page(request, "administration/edit.html", _edit_context(user, form), form)


@needs(Capability.ADMINISTER)
@sensitive_post_parameters("password", "repeated")
@require_POST
def reset_password(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Give a local console user a new password."""
    user = get_object_or_404(ConsoleUser.objects.select_related("source"), pk=pk)
    form = NewPasswordForm(request.POST)
    if form.is_valid():
        try:
            console_users.set_password(
                user=user, password=form.cleaned_data["password"], actor=actor_of(request)
            )
        except ProvisioningError as error:
            form.add_error("password", error.message)
        else:
            if user.pk == request.user.pk:
                update_session_auth_hash(request, user)
            messages.success(request, f"{user} has a new password.\nOther sessions have ended.")
            return redirect("administration")
    context = _edit_context(user, RightsForm(user=user)) | {"password_form": form}
    return _page(request, "administration/edit.html", context, form)


@needs(Capability.ADMINISTER)
@require_POST
def end_sessions(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Sign somebody out everywhere."""
    user = get_object_or_404(ConsoleUser, pk=pk)
    console_users.end_sessions(user=user, actor=actor_of(request))
    messages.success(request, f"{user} is signed out everywhere.\nSigning in again is possible.")
    return redirect("administration")


@needs(Capability.VIEW)
@sensitive_post_parameters("current", "password", "repeated")
@require_http_methods(["GET", "POST"])
def own_settings(request: ConsoleRequest) -> HttpResponse:
    """One's own password."""
    form = OwnPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            console_users.change_own_password(
                user=request.user,
                current=form.cleaned_data["current"],
                password=form.cleaned_data["password"],
                actor=actor_of(request),
            )
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            update_session_auth_hash(request, request.user)
            messages.success(request, "You have a new password.\nYour other sessions have ended.")
            return redirect("overview")
    return _page(request, "administration/own.html", {"title": "Your settings", "form": form}, form)


def _crumbs() -> list[tuple[str, str]]:
    return [("Administration", href_of("administration"))]


def _edit_context(user: ConsoleUser, form: RightsForm) -> dict[str, Any]:
    return {
        "title": str(user),
        "crumbs": _crumbs(),
        "console_user": user,
        "as_opened": as_opened.seal(user, RightsForm.base_fields),
        "form": form,
        "password_form": None if user.source_id else NewPasswordForm(),
    }


def _page(
    request: ConsoleRequest, template: str, context: dict[str, Any], form: Any
) -> HttpResponse:
    return render(request, template, context, status=422 if form.errors else 200)
