"""Middleware of the console."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string

_log = logging.getLogger(__name__)
request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestId:
    """Gives every request an id: errors show it, the audit log keeps it, the response has it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = request_id.set(secrets.token_hex(6))
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id.get()
            return response
        finally:
            request_id.reset(token)


class DatabaseBusy:
    """Answers 503 instead of 500 when another writer held SQLite's database for too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page that says so; every other error goes on."""
        if not isinstance(exception, OperationalError) or "locked" not in str(exception):
            return None
        _log.warning("the database was locked for too long: %s", request.path)
        page = render_to_string("503.html", {"reference": request_id.get()})
        return HttpResponse(page, status=503, headers={"Retry-After": "10"})


class SignInRequired(LoginRequiredMiddleware):
    """Sends whoever has not signed in to the sign-in page.

    A part of a page that htmx asks for after the session ended must not get the sign-in page in
    place of itself: the whole browser goes there, and comes back to the page that was open. So
    does whoever sent a form: its address is no page to come back to.
    """

    def handle_no_permission(  # type: ignore[override] # Django itself takes any response
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """The redirect, in the way that the browser or htmx understands."""
        htmx = request.headers.get("HX-Request") == "true"
        if not htmx and request.method in {"GET", "HEAD"}:
            return super().handle_no_permission(request, view_func)
        at = urlsplit(request.headers.get("HX-Current-URL" if htmx else "Referer", ""))
        page = f"{at.path}?{at.query}" if at.query else at.path
        goal = f"{resolve_url(self.get_login_url(view_func))}?{urlencode({'next': page or '/'})}"
        if htmx:
            return HttpResponse(status=401, headers={"HX-Redirect": goal})
        return redirect(goal)
