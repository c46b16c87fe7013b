"""Users and groups over SCIM 2.0 (RFC 7644 section 3): read and written."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from provisioning.api.scim_view import MAX_GROUP, MAX_USER, ScimView, answer
from provisioning.directory.scim import documents
from provisioning.directory.scim.errors import ScimRefused, invalid_value
from provisioning.directory.scim.resource import Body
from provisioning.models import ScimResource
from provisioning.services.scim import scim_find, scim_store


class _Resources(ScimView):
    """Addresses of users, or of groups."""

    kind = ""

    def content(self) -> Body:
        """The body of the request."""
        return self.given(MAX_USER if self.kind == ScimResource.Kind.USER else MAX_GROUP)

    def shown(self, row: ScimResource, status: int = 200) -> HttpResponse:
        """The resource as it is now."""
        (resource,) = scim_find.show(
            kind=self.kind, rows=[row], base=self.base, with_members=self.wants_members()
        )
        response = answer(self.projected(resource), status)
        response["ETag"] = scim_find.etag_of(row)
        response["Location"] = resource["meta"]["location"]
        return response

    def wants_members(self) -> bool:
        """Whether the members of groups are asked for: there may be very many."""
        wanted = [name.strip().lower() for name in self.names("attributes")]
        excluded = [name.strip().lower() for name in self.names("excludedAttributes")]
        return any(name.startswith("members") for name in wanted) or (
            not wanted and "members" not in excluded
        )

    def number(self, name: str, default: int) -> int:
        """A parameter that is a whole number."""
        text = self.request.GET.get(name, "")
        try:
            return min(int(text), 2**31) if text else default
        except ValueError as error:
            raise invalid_value(f"“{name}” is a whole number.") from error


class Many(_Resources):
    """All users, or all groups."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A page of those that fit the filter."""
        start = max(1, self.number("startIndex", 1))
        found = scim_find.list_resources(
            source=self.source,
            kind=self.kind,
            base=self.base,
            text=request.GET.get("filter", ""),
            start=start,
            count=self.number("count", documents.MOST_RESULTS),
            with_members=self.wants_members(),
        )
        page = [self.projected(each) for each in found.resources]
        return answer(documents.list_response(page, total=found.total, start=start))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new one."""
        row = scim_store.create_resource(
            request=self.asked(f"/{self.kind}s"), kind=self.kind, given=self.content()
        )
        return self.shown(row, 201)


class One(_Resources):
    """One user, or one group."""

    def get(self, request: HttpRequest, pk: int, uid: str) -> HttpResponse:
        """As it is now; 304 where the client has that already."""
        row = scim_find.find_resource(source=self.source, kind=self.kind, uid=uid)
        if scim_find.etag_of(row) in request.headers.get("If-None-Match", ""):
            response = answer(None, 304)
            response["ETag"] = scim_find.etag_of(row)
            return response
        return self.shown(row)

    def put(self, request: HttpRequest, pk: int, uid: str) -> HttpResponse:
        """Another content in its place."""
        given = self.content()
        if str(given.get("id", uid)).lower() != uid.lower():
            raise ScimRefused(400, "The id in the body is another one.", "mutability")
        return self.shown(
            scim_store.replace_resource(
                request=self.asked(f"/{self.kind}s"), kind=self.kind, uid=uid, given=given
            )
        )

    def patch(self, request: HttpRequest, pk: int, uid: str) -> HttpResponse:
        """Some of it changed; of a group nothing is sent back unless attributes are asked for."""
        row = scim_store.patch_resource(
            request=self.asked(f"/{self.kind}s"),
            kind=self.kind,
            uid=uid,
            document=self.content(),
        )
        if self.kind == ScimResource.Kind.GROUP and not self.names("attributes"):
            response = answer(None, 204)
            response["ETag"] = scim_find.etag_of(row)
            return response
        return self.shown(row)

    def delete(self, request: HttpRequest, pk: int, uid: str) -> HttpResponse:
        """Gone."""
        scim_store.delete_resource(request=self.asked(f"/{self.kind}s"), kind=self.kind, uid=uid)
        return answer(None, 204)
