"""What the SCIM server says of itself, and of addresses that it does not have."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from provisioning.api.scim_view import ScimView, answer
from provisioning.directory.scim import documents
from provisioning.directory.scim.errors import ScimRefused


class Config(ScimView):
    """What is offered."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Patch, filter and ETag; neither bulk nor passwords nor sorting."""
        return answer(documents.service_provider_config(self.base))


class _Several(ScimView):
    """Documents of which one may be asked for by its id."""

    def get(self, request: HttpRequest, pk: int, uid: str = "") -> HttpResponse:
        """All of them, or the one."""
        found = self.every()
        if not uid:
            return answer(documents.list_response(found, total=len(found)))
        for each in found:
            if each["id"].lower() == uid.lower():
                return answer(each)
        raise ScimRefused(404, "There is no such document.")

    def every(self) -> list[documents.Document]:
        """The documents."""
        raise NotImplementedError


class Types(_Several):
    """Users and groups."""

    def every(self) -> list[documents.Document]:
        """Both."""
        return documents.resource_types(self.base)


class Schemas(_Several):
    """The attributes of users and groups."""

    def every(self) -> list[documents.Document]:
        """Of the core and of the enterprise extension."""
        return documents.schemas(self.base)


class Nothing(ScimView):
    """Everything else: what is optional in SCIM and not offered."""

    def get(self, request: HttpRequest, pk: int, rest: str = "") -> HttpResponse:
        """Never there."""
        raise ScimRefused(404, "This server has no such endpoint.")

    post = put = patch = delete = get
