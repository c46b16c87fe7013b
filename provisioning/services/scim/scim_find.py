"""Finding what SCIM clients sent: by id, or by a filter, in pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from provisioning.directory.scim.documents import MOST_RESULTS
from provisioning.directory.scim.errors import ScimRefused
from provisioning.directory.scim.filter import AllOf, Comparison, Filter, Within, read_filter
from provisioning.directory.scim.resource import Body, name_key_of, schemas_of
from provisioning.models import DirectorySource, ScimMember, ScimResource

# Filters on other attributes than the indexed ones look at so many resources at most.
_MOST_SCANNED = 20_000
_CHUNK = 500
# So many members of groups in one answer; what is behind is on the next page.
_MOST_MEMBERS = 50_000


@dataclass(frozen=True, slots=True)
class Found:
    """A page of resources, and how many there are in all."""

    resources: list[Body]
    total: int


def find_resource(*, source: DirectorySource, kind: str, uid: str) -> ScimResource:
    """The resource with that id; raises ScimRefused (404)."""
    found = _present(source, kind).filter(uid=uid.lower()).first()
    if found is None:
        raise ScimRefused(404, f"There is no {kind} {uid[:40]}.")
    return found


def has_users(*, source: DirectorySource) -> bool:
    """Whether the client of `source` has sent any user that it did not delete since."""
    return _present(source, ScimResource.Kind.USER).exists()


def list_resources(
    *,
    source: DirectorySource,
    kind: str,
    base: str,
    text: str = "",
    start: int = 1,
    count: int = MOST_RESULTS,
    with_members: bool = True,
) -> Found:
    """The resources that fit the filter `text`, from number `start` on, at most `count` of them.

    Raises ScimRefused: invalidFilter, or tooMany where it would look at too many resources. A page
    may be shorter than asked for: groups with many members fill it sooner.
    """
    start, count = max(1, start), min(max(0, count), MOST_RESULTS)
    rows = _present(source, kind).order_by("pk")
    rest: Filter | None = None
    if text:
        condition, rest = _narrow(source, kind, read_filter(text))
        rows = rows.filter(condition)
    if rest is None:
        total = rows.count()
        page = list(rows[start - 1 : start - 1 + count])
    else:
        fitting = _scan(rows, kind, base, rest)
        total, page = len(fitting), fitting[start - 1 : start - 1 + count]
    if kind == ScimResource.Kind.GROUP and with_members:
        page = _up_to_enough_members(page)
    return Found(show(kind=kind, rows=page, base=base, with_members=with_members), total)


def show(
    *, kind: str, rows: Sequence[ScimResource], base: str, with_members: bool = True
) -> list[Body]:
    """Resources as clients see them; `base` is the address of the source, without a last slash."""
    members: dict[int, list[Body]] = {}
    if kind == ScimResource.Kind.GROUP and with_members:
        members = _members(rows, base)
    return [_shown(kind, row, base, members.get(row.pk)) for row in rows]


def etag_of(row: ScimResource) -> str:
    """The version of a resource (RFC 7644 section 3.14)."""
    return f'W/"{row.version}"'


def _present(source: DirectorySource, kind: str) -> QuerySet[ScimResource]:
    return ScimResource.objects.filter(source=source, kind=kind, deleted_at=None)


def _narrow(source: DirectorySource, kind: str, wanted: Filter) -> tuple[Q, Filter | None]:
    """What the database answers by an index, and the part of the filter that it does not."""
    parts = wanted.parts if isinstance(wanted, AllOf) else (wanted,)
    condition, rest = Q(), []
    for each in parts:
        indexed = _indexed(source, kind, each)
        if indexed is None:
            rest.append(each)
        else:
            condition &= indexed
    if not rest:
        return condition, None
    return condition, rest[0] if len(rest) == 1 else AllOf(tuple(rest))


def _indexed(source: DirectorySource, kind: str, wanted: Filter) -> Q | None:
    inner = wanted.inner if isinstance(wanted, Within) else wanted
    if not isinstance(inner, Comparison) or inner.operator != "eq":
        return None
    if isinstance(wanted, Within) and inner.path.attribute != "value":
        return None
    path = wanted.path if isinstance(wanted, Within) else inner.path
    if path.schema:
        return None
    value, name = inner.value, path.attribute
    if not isinstance(value, str) or "\0" in value:
        return None
    if name == "members" and path.part in ("", "value"):
        of = ScimMember.objects.filter(member=value.lower()).values("group_id")
        return Q(pk__in=of)
    if path.part or isinstance(wanted, Within):
        return None
    if name == ("userName" if kind == ScimResource.Kind.USER else "displayName"):
        return Q(name_key=name_key_of(value))
    if name == "id":
        return Q(uid=value.lower())
    if name != "externalId" or not value:
        return None
    # By itself, or SQLite takes the index on kinds, which has everybody in the order asked for.
    known = ScimResource.objects.filter(source=source, external_id=value)
    return Q(pk__in=known.values("pk"))


def _scan(rows: QuerySet[ScimResource], kind: str, base: str, wanted: Filter) -> list[ScimResource]:
    """Every resource that fits, in order; of groups their members are not looked at."""
    found: list[ScimResource] = []
    for looked_at, row in enumerate(rows.iterator(chunk_size=_CHUNK)):
        if looked_at >= _MOST_SCANNED:
            raise ScimRefused(
                400,
                f"More than {_MOST_SCANNED:,} resources would have to be looked at. Filter by "
                "userName, externalId, displayName of groups, or id.",
                "tooMany",
            )
        if wanted.matches(_shown(kind, row, base, None)):
            found.append(row)
    return found


def _up_to_enough_members(page: list[ScimResource]) -> list[ScimResource]:
    """The groups from the first on that have not too many members together; at least one."""
    counted = ScimMember.objects.filter(group__in=page).order_by().values("group_id")
    counts = dict(counted.annotate(count=Count("pk")).values_list("group_id", "count"))
    total = 0
    for place, row in enumerate(page):
        total += counts.get(row.pk, 0)
        if place and total > _MOST_MEMBERS:
            return page[:place]
    return page


def _members(rows: Iterable[ScimResource], base: str) -> dict[int, list[Body]]:
    found: dict[int, list[Body]] = {}
    members = ScimMember.objects.filter(group__in=rows).order_by("pk")
    for group, member in members.values_list("group_id", "member"):
        found.setdefault(group, []).append({"value": member})
    return found


def _shown(kind: str, row: ScimResource, base: str, members: list[Body] | None) -> Body:
    body: Body = {"schemas": schemas_of(kind, row.body), "id": row.uid, **row.body}
    if members:
        body["members"] = members
    body["meta"] = {
        "resourceType": kind,
        "created": _moment(row.created_at),
        "lastModified": _moment(row.changed_at),
        "location": f"{base}/{kind}s/{row.uid}",
        "version": etag_of(row),
    }
    return body


def _moment(at: datetime) -> Any:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
