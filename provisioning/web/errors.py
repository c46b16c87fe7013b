"""The pages of requests that went wrong; each carries the reference that the logs know."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from provisioning.web.middleware import request_id


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a request that no page of the console sends."""
    return _page("400.html", 400)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: the role does not include this."""
    return _page("403.html", 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: nothing there, or not for this console user."""
    return _page("404.html", 404)


def failed(request: HttpRequest) -> HttpResponse:
    """500: a mistake of the console itself."""
    return _page("500.html", 500)


def _page(template: str, status: int) -> HttpResponse:
    # Without a request: a page about an error must not run the queries of the shell again.
    return HttpResponse(render_to_string(template, {"reference": request_id.get()}), status=status)
