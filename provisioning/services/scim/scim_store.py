"""Keeping what SCIM clients send, each request in a short transaction; a worker reads it then."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from provisioning.directory.scim.errors import ScimRefused
from provisioning.directory.scim.patch import apply_operation, read_operations
from provisioning.directory.scim.resource import Body, name_key_of, tidy
from provisioning.models import DirectorySource, ScimFeed, ScimMember, ScimResource
from provisioning.services import wake
from provisioning.services.scim import scim_members
from provisioning.services.scim.scim_find import etag_of, find_resource

# A worker that was woken so long ago never came; seconds.
_LOST = 60
# Everything is read each night.
_REMEMBERED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for, as the source's page tells it: "PATCH /Users", and its user agent."""

    source: DirectorySource
    what: str = ""
    client: str = ""
    if_match: str = ""


def create_resource(*, request: Request, kind: str, given: Body) -> ScimResource:
    """Keep a new user or group; raises ScimRefused (invalidValue; 409 uniqueness)."""
    body = tidy(kind, given)
    members = scim_members.ids_of(body.pop("members", None))
    now = timezone.now()
    row = ScimResource(
        source=request.source, kind=kind, uid=str(uuid.uuid4()), created_at=now, changed_at=now
    )
    _fill(row, body)
    with _unique_names(), transaction.atomic():
        feed = _locked(request.source)
        row.version = feed.version + 1
        row.save(force_insert=True)
        if members:
            scim_members.add(row, members)
        _wrote(feed, request)
    return row


def replace_resource(*, request: Request, kind: str, uid: str, given: Body) -> ScimResource:
    """Put another content in the place of a resource; what is not given is gone.

    Raises ScimRefused (404; 412 for another version; invalidValue; 409 uniqueness).
    """
    body = tidy(kind, given)
    members = scim_members.ids_of(body.pop("members", None))

    def replace(row: ScimResource) -> bool:
        changed = kind == ScimResource.Kind.GROUP and scim_members.put(row, members)
        return _put(row, body) or changed

    with _unique_names():
        return _change(request, kind, uid, replace)


def patch_resource(*, request: Request, kind: str, uid: str, document: Body) -> ScimResource:
    """Carry out the operations of a PATCH, all or none of them.

    Raises ScimRefused as `replace_resource` does, and for operations that cannot be carried out.
    """
    operations = read_operations(kind, document)

    def patch(row: ScimResource) -> bool:
        body, changed = dict(row.body), False
        for operation in operations:
            if kind == ScimResource.Kind.GROUP and operation.path.attribute == "members":
                changed = scim_members.patch(row, operation) or changed
            else:
                apply_operation(kind, body, operation)
        return _put(row, tidy(kind, body)) or changed

    with _unique_names():
        return _change(request, kind, uid, patch)


def delete_resource(*, request: Request, kind: str, uid: str) -> None:
    """Delete a resource, and its memberships; raises ScimRefused (404; 412)."""

    def delete(row: ScimResource) -> bool:
        row.body, row.external_id, row.deleted_at = {}, "", timezone.now()
        ScimMember.objects.filter(group=row).delete()
        of = ScimMember.objects.filter(member=row.uid, group__source=request.source)
        ScimResource.objects.filter(pk__in=of.values("group_id")).update(
            version=row.version, changed_at=row.changed_at
        )
        of.delete()
        return True

    _change(request, kind, uid, delete)


def take_wake(*, source_id: int) -> None:
    """Note that a worker came: whatever is written from now on needs another one."""
    ScimFeed.objects.filter(pk=source_id).update(wake_due=None)


def wake_again(*, source: DirectorySource) -> None:
    """Wake a worker a moment later, for what it could not read now."""
    with transaction.atomic():
        feed = _locked(source)
        _wake(feed, source)
        feed.save(update_fields=["wake_due"])


def forget_deleted() -> None:
    """Forget what was deleted a week ago; whoever has not read since then reads everything."""
    deleted = ScimResource.objects.filter(deleted_at__lt=timezone.now() - _REMEMBERED)
    for source_id in list(deleted.values_list("source_id", flat=True).distinct().order_by()):
        of_source = deleted.filter(source_id=source_id)
        with transaction.atomic():
            newest = of_source.order_by("-version").values_list("version", flat=True).first()
            if newest is not None:
                of_source.filter(version__lte=newest).delete()
                ScimFeed.objects.filter(pk=source_id, forgotten_version__lt=newest).update(
                    forgotten_version=newest
                )


def _change(
    request: Request, kind: str, uid: str, change: Callable[[ScimResource], bool]
) -> ScimResource:
    """Carry out `change` on a resource of which nobody else writes; nothing where it says so."""
    with transaction.atomic():
        feed = _locked(request.source)
        row = find_resource(source=request.source, kind=kind, uid=uid)
        _check_version(row, request.if_match)
        before = row.version, row.changed_at
        row.version, row.changed_at = feed.version + 1, timezone.now()
        if not change(row):
            row.version, row.changed_at = before
            return row
        row.save()
        _wrote(feed, request)
    return row


def _put(row: ScimResource, body: Body) -> bool:
    """Give `row` its content; whether that is another one."""
    body.pop("members", None)
    changed: bool = row.body != body
    _fill(row, body)
    return changed


def _fill(row: ScimResource, body: Body) -> None:
    name = body["userName" if row.kind == ScimResource.Kind.USER else "displayName"]
    row.body, row.name_key = body, name_key_of(name)
    row.external_id = body.get("externalId", "")


def _check_version(row: ScimResource, wanted: str) -> None:
    known = etag_of(row).removeprefix("W/")
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    if wanted and "*" not in tags and known not in tags:
        raise ScimRefused(412, "It was changed since then. Nothing was changed; read it again.")


def _locked(source: DirectorySource) -> ScimFeed:
    """The feed of a source, which nobody else has until the transaction ends."""
    feeds = ScimFeed.objects.select_for_update()
    feed = feeds.filter(pk=source.pk).first()
    if feed is None:
        ScimFeed.objects.bulk_create([ScimFeed(source=source)], ignore_conflicts=True)
        feed = feeds.get(pk=source.pk)
    return feed


def _wrote(feed: ScimFeed, request: Request) -> None:
    feed.version += 1
    feed.last_request_at = timezone.now()
    feed.last_request, feed.last_client = request.what[:100], request.client[:200]
    _wake(feed, request.source)
    feed.save()


def _wake(feed: ScimFeed, source: DirectorySource) -> None:
    """Wake a worker, unless one was a moment ago and has not come yet."""
    now = timezone.now()
    if not source.enabled or source.mode != DirectorySource.Mode.SCIM:
        return
    if feed.wake_due is None or now - feed.wake_due > timedelta(seconds=_LOST):
        feed.wake_due = now + timedelta(seconds=settings.SCIM_PAUSE)
        wake.read_scim(source_id=source.pk, seconds=settings.SCIM_PAUSE)


@contextmanager
def _unique_names() -> Iterator[None]:
    """A name that somebody else has becomes a 409."""
    try:
        yield
    except IntegrityError as error:
        raise ScimRefused(
            409, "Another user has that userName. Nothing was changed.", "uniqueness"
        ) from error
