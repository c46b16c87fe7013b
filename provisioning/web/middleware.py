"""Middleware of the console."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

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


class SignInRequired(LoginRequiredMiddleware):
    """Sends whoever has not signed in to the sign-in page.

    A part of a page that htmx asks for after the session ended must not get the sign-in page in
    place of itself: the whole browser goes there, and comes back to the page that was open.
    """

    def handle_no_permission(  # type: ignore[override] # Django itself takes any response
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """The redirect, in the way that the browser or htmx understands."""
        if request.headers.get("HX-Request") != "true":
            return super().handle_no_permission(request, view_func)
        at = urlsplit(request.headers.get("HX-Current-URL", ""))
        page = f"{at.path}?{at.query}" if at.query else at.path
        goal = f"{resolve_url(self.get_login_url(view_func))}?{urlencode({'next': page or '/'})}"
        return HttpResponse(status=401, headers={"HX-Redirect": goal})
