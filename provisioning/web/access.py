"""Who may open a page: every view declares the capability that it needs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View
from django_htmx.middleware import HtmxDetails

from provisioning.core.roles import Capability
from provisioning.models import ConsoleUser
from provisioning.services.actor import Actor
from provisioning.web.middleware import request_id

ViewFunction = Callable[..., HttpResponseBase]


class ConsoleRequest(HttpRequest):
    """A request of somebody who has signed in; SignInRequired lets nobody else in."""

    user: ConsoleUser
    htmx: HtmxDetails


def needs(capability: Capability) -> Callable[[ViewFunction], ViewFunction]:
    """A function view that only console users with `capability` reach; others get the 403 page."""

    def decorate(view: ViewFunction) -> ViewFunction:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            check(request, capability)
            return view(request, *args, **kwargs)

        guarded.capability = capability  # type: ignore[attr-defined]
        return guarded

    return decorate


class Needs(View):
    """A class-based view that only console users with `capability` reach; the first base.

    `change_capability`, where given, is asked for instead whenever the request is not a read.
    """

    request: ConsoleRequest
    capability: ClassVar[Capability]
    change_capability: ClassVar[Capability | None] = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check, then go on."""
        if getattr(self, "capability", None) is None:
            raise ImproperlyConfigured(f"{type(self).__name__} declares no capability.")
        reads = request.method in {"GET", "HEAD", "OPTIONS"}
        check(request, self.capability if reads else self.change_capability or self.capability)
        return super().dispatch(request, *args, **kwargs)


def check(request: HttpRequest, capability: Capability) -> None:
    """Raise PermissionDenied unless the signed-in console user has `capability`."""
    user = request.user
    if not isinstance(user, ConsoleUser) or not user.may(capability):
        raise PermissionDenied


def actor_of(request: HttpRequest) -> Actor:
    """Who acts, for services: the signed-in console user with the request's id."""
    user = request.user
    if not isinstance(user, ConsoleUser):
        raise PermissionDenied
    return Actor.of(user, request_id.get())
