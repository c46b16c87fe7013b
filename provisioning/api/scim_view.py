"""What every SCIM address does first and last: the token, the body, and errors as SCIM has them."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from provisioning.core.errors import InvalidInput
from provisioning.directory.scim import documents
from provisioning.directory.scim.errors import ScimRefused
from provisioning.directory.scim.resource import Body, parse, project
from provisioning.models import DirectorySource
from provisioning.services.scim.scim_store import Request
from provisioning.services.scim.scim_tokens import Refusal, find_source, tenant_url

_log = logging.getLogger(__name__)
_TYPES = ("application/scim+json", "application/json")
# Bytes: a user is small; a group may come with tens of thousands of members.
MAX_USER, MAX_GROUP = 256 * 1024, 8 * 1024 * 1024


# A token is asked for, and cookies are never looked at: so nobody's browser can be made to write.
@method_decorator([login_not_required, csrf_exempt], name="dispatch")
class ScimView(View):
    """An address of one source; `self.source` is it once the token was accepted."""

    request: HttpRequest
    source: DirectorySource

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check the token, answer, and tell what went wrong in SCIM's way."""
        try:
            self._authorise(request, kwargs["pk"])
            response = super().dispatch(request, *args, **kwargs)
        except ScimRefused as refused:
            response = answer(
                documents.error(refused.status, refused.message, refused.scim_type), refused.status
            )
            if refused.status == 401:
                response["WWW-Authenticate"] = 'Bearer realm="SCIM"'
            elif refused.status == 429:
                response["Retry-After"] = str(self._wait)
        except InvalidInput as error:
            response = answer(documents.error(400, error.message, "invalidValue"), 400)
        except OperationalError as error:
            if "locked" not in str(error):
                raise
            _log.warning("the database was locked for too long: %s", request.path)
            response = answer(documents.error(503, "The server is busy. Try again."), 503)
            response["Retry-After"] = "10"
        response["Cache-Control"] = "no-store"
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """405, as SCIM has errors."""
        response = answer(documents.error(405, f"{request.method} is not offered here."), 405)
        offered = (name.upper() for name in self.http_method_names if hasattr(self, name))
        response["Allow"] = ", ".join(offered)
        return response

    @property
    def base(self) -> str:
        """The tenant URL, without a slash at its end."""
        return tenant_url(self.source)

    def given(self, most: int) -> Body:
        """The body of the request; raises ScimRefused (413, 415, invalidSyntax)."""
        if self.request.content_type not in _TYPES:
            raise ScimRefused(415, "The body is application/scim+json.")
        # Not `request.body`: its limit is that of forms.
        content = self.request.read(most + 1)
        if len(content) > most:
            raise ScimRefused(413, f"The body is longer than {most // 1024:,} KiB.")
        return parse(content)

    def asked(self, what: str) -> Request:
        """The request as services take it."""
        headers = self.request.headers
        return Request(
            source=self.source,
            what=f"{self.request.method} {what}",
            client=headers.get("User-Agent", ""),
            if_match=headers.get("If-Match", ""),
        )

    def projected(self, resource: Body) -> Body:
        """The resource with the attributes that the client wants."""
        return project(resource, self.names("attributes"), self.names("excludedAttributes"))

    def names(self, parameter: str) -> list[str]:
        """The names of attributes in a parameter, separated by commas."""
        given = self.request.GET.get(parameter, "")
        return [name for name in given.split(",") if name.strip()]

    def _authorise(self, request: HttpRequest, source_id: int) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        found = find_source(
            text=token.strip() if scheme.lower() == "bearer" else "",
            source_id=source_id,
            address=request.META.get("REMOTE_ADDR", ""),
        )
        if isinstance(found, Refusal):
            self._wait = found.wait
            if found.wait:
                raise ScimRefused(429, "Too many wrong tokens came from this address.")
            raise ScimRefused(401, "A bearer token of this source is needed.")
        self.source = found

    _wait = 0


def answer(document: Body | None, status: int = 200) -> HttpResponse:
    """A SCIM answer; None has no body."""
    content = b"" if document is None else orjson.dumps(document)
    return HttpResponse(content, content_type="application/scim+json", status=status)
