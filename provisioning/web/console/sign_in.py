"""Signing in and out, and the first start."""

from __future__ import annotations

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from provisioning.core.errors import ProvisioningError, Rejected
from provisioning.models import ConsoleUser
from provisioning.services.console import audit, setup
from provisioning.web.access import actor_of
from provisioning.web.console.attempts import FIRST_START
from provisioning.web.forms.sign_in import SetupForm, SignInForm


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; a refusal never says which part was wrong."""
    if setup.needed():
        return redirect("setup")
    goal = _local(request.POST.get("next") or request.GET.get("next") or "")
    if request.user.is_authenticated:
        return redirect(goal)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = authenticate(request, **form.cleaned_data)
        if isinstance(user, ConsoleUser):
            login(request, user)
            detail = {"address": request.META["REMOTE_ADDR"]}
            audit.record(actor=actor_of(request), action="signed in", detail=detail)
            return redirect(goal)
        form.add_error(
            None,
            "This user name and password do not let you in. Check both; after "
            f"{settings.AXES_FAILURE_LIMIT} attempts you have to wait "
            f"{_minutes()} minutes.",
        )
    status = 422 if form.errors else 200
    return render(request, "sign_in/sign_in.html", {"form": form, "next": goal}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    actor = actor_of(request)
    logout(request)
    audit.record(actor=actor, action="signed out")
    return redirect("sign-in")


@login_not_required
@never_cache
@sensitive_post_parameters("token", "password", "repeated")
@require_http_methods(["GET", "POST"])
def first_start(request: HttpRequest) -> HttpResponse:
    """Make the first console user; there is no such page once one exists."""
    if not setup.needed():
        raise Http404
    if not AxesProxyHandler.is_allowed(request, FIRST_START):
        return locked_out(request)
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            user = setup.complete(
                given_token=values["token"],
                username=values["username"],
                name=values["name"],
                password=values["password"],
            )
        except Rejected as error:
            user_login_failed.send(__name__, credentials=FIRST_START, request=request)
            form.add_error("token", error.message)
        except ProvisioningError as error:
            form.add_error(None, error.message)
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("overview")
    status = 422 if form.errors else 200
    return render(request, "sign_in/first_start.html", {"form": form}, status=status)


def locked_out(
    request: HttpRequest,
    response: HttpResponse | None = None,
    credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """The answer to somebody who failed too often (called by django-axes)."""
    answer = render(request, "sign_in/locked.html", {"minutes": _minutes()}, status=429)
    answer["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return answer


def _minutes() -> int:
    return int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)


def _local(path: str) -> str:
    """`path` if it leads into this console, else the overview."""
    if path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return path
    return resolve_url("overview")
