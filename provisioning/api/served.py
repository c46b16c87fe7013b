"""Where SIP servers ask for rows: a server's own secret, one answer for every reason to refuse."""

from __future__ import annotations

import base64
import binascii

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from provisioning.core.errors import ProvisioningError
from provisioning.services.servers.served import Refusal, answer_server


# A secret is asked for, and cookies are never looked at: so nobody's browser can be made to ask.
@login_not_required
@csrf_exempt
@require_http_methods(["GET", "POST"])
def answer(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """What the SIP server asked for; 401, 404 or 503 without a word why."""
    response = _answer(request, pk, path)
    response["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    try:
        found = answer_server(
            server_id=pk,
            secret=_password(request.headers.get("Authorization", "")),
            address=request.META.get("REMOTE_ADDR", ""),
            path=path,
            # Files are asked for by GET, rows by a form.
            asked=(request.GET if request.method == "GET" else request.POST).dict(),
        )
    except ProvisioningError:
        return HttpResponse(status=503, headers={"Retry-After": "10"})
    if isinstance(found, Refusal):
        if found.wait:
            return HttpResponse(status=429, headers={"Retry-After": str(found.wait)})
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="rtcadmin"'})
    if found is None:
        return HttpResponse(status=404)
    return HttpResponse(found.body, content_type=f"{found.media_type}; charset=utf-8")


def _password(header: str) -> str:
    """The password of basic authentication; empty where there is none."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
