"""Where clients fetch their document: one address, one answer for every reason not to give it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from provisioning.services.clients.links import fetch_document


@login_not_required
@require_GET
def fetch(request: HttpRequest, token: str) -> HttpResponse:
    """The document behind `token`, or a 404 that says nothing; HEAD is refused and uses nothing."""
    file = fetch_document(token=token, address=request.META.get("REMOTE_ADDR", ""))
    if file is None:
        response = HttpResponse("Not found\n", content_type="text/plain; charset=utf-8", status=404)
    else:
        response = HttpResponse(file.content, content_type=file.media_type)
    response["Cache-Control"] = "no-store"
    return response
