"""What a SCIM client sent, looked at while its attribute map is edited, and tested step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from provisioning.core.records import Entry
from provisioning.core.text import clean_line, counted
from provisioning.directory.sample import SampleEntry
from provisioning.directory.schema import Attribute
from provisioning.directory.scim.entries import attributes_of, dn_of, every_attribute
from provisioning.directory.scim.schema import USER_ATTRIBUTES
from provisioning.models import DirectorySource, ScimFeed, ScimResource
from provisioning.services.servers.connection_test import Step, StepState

# How far somebody leafs, and how many users are looked at for a part of a name.
_MOST, _SEARCHED = 50, 5000
_LOOKED_AT = 200
_EXAMPLE = 60


def find_scim_sample(
    source: DirectorySource, named: Collection[str], *, text: str = "", place: int = 0, dn: str = ""
) -> SampleEntry | None:
    """A user of the source, found as `directory.sample.find_sample` finds one."""
    users = _users(source)
    if dn:
        found = list(users.filter(uid=dn.removeprefix(dn_of("")))[:1])
        place_of = place
    else:
        found = _matching(source, text, min(place, _MOST) + 1)
        place_of = place if place < len(found) else 0
        found = found[place_of : place_of + 1]
    if not found:
        return None
    row = found[0]
    shown = every_attribute(row.uid, row.body)
    return SampleEntry(
        Entry(row.uid, dn_of(row.uid), attributes_of(row.uid, row.body, frozenset(named))),
        place_of,
        [(name, [clean_line(value) for value in values]) for name, values in sorted(shown.items())],
        [],
    )


def read_scim_attributes(source: DirectorySource) -> list[Attribute]:
    """What the newest users have, the frequent attributes first, and what the schema has."""
    rows = _users(source).order_by("-pk")[:_LOOKED_AT]
    seen: Counter[str] = Counter()
    examples: dict[str, str] = {}
    several: set[str] = set()
    looked_at = 0
    for row in rows:
        looked_at += 1
        for name, values in every_attribute(row.uid, row.body).items():
            seen[name] += 1
            examples.setdefault(name, clean_line(values[0])[:_EXAMPLE])
            if len(values) > 1:
                several.add(name)
    words = {each.name: each.description for each in USER_ATTRIBUTES if not each.parts}
    names = sorted(seen.keys() | words.keys(), key=lambda name: (-seen[name], name.lower()))
    return [
        Attribute(
            name, words.get(name, ""), name in several, seen[name], looked_at,
            examples.get(name, ""),
        )
        for name in names
    ]  # fmt: skip


def probe_scim(source: DirectorySource) -> Iterator[Step]:
    """How far the client of a source is, and what to do where it is not: nobody is asked."""
    now = timezone.now()
    tokens = source.scim_tokens.filter(revoked_at=None, expires_at__gt=now)
    ends = tokens.order_by("-expires_at").values_list("expires_at", flat=True).first()
    if ends is None:
        yield Step(
            "Token", StepState.FAILED, "No token works.",
            "Make one on the page of the source, or with manage.py scim_token.",
        )  # fmt: skip
        return
    last = f"The last of {tokens.count()} ends on {timezone.localtime(ends):%-d %B %Y}."
    yield Step("Token", StepState.OK, last)
    feed = ScimFeed.objects.filter(pk=source.pk).first()
    if feed is None or feed.last_request_at is None:
        yield Step(
            "Client", StepState.FAILED, "Nothing was written yet.",
            "Enter the tenant URL and the token in Entra ID or Okta, and start provisioning.",
        )  # fmt: skip
        return
    when = f"{timezone.localtime(feed.last_request_at):%-d %B %Y %H:%M}"
    yield Step("Client", StepState.OK, f"{feed.last_request} at {when}, by {feed.last_client}.")
    counts = count_resources(source)
    yield Step(
        "People", StepState.OK if counts["users"] else StepState.FAILED,
        f"The client sent {counted(counts['users'], 'user')}.",
        "" if counts["users"] else "Assign users to the application of the client.",
    )  # fmt: skip
    yield Step("Groups", StepState.OK, f"The client sent {counted(counts['groups'], 'group')}.")


def count_resources(source: DirectorySource) -> dict[str, int]:
    """How many `users` and `groups` are kept of a source."""
    kinds = ScimResource.Kind
    return ScimResource.objects.filter(source=source, deleted_at=None).aggregate(
        users=Count("pk", filter=Q(kind=kinds.USER)),
        groups=Count("pk", filter=Q(kind=kinds.GROUP)),
    )


def _users(source: DirectorySource) -> QuerySet[ScimResource]:
    return ScimResource.objects.filter(
        source=source, kind=ScimResource.Kind.USER, deleted_at=None
    ).order_by("pk")


def _matching(source: DirectorySource, text: str, limit: int) -> list[ScimResource]:
    """The first users with `text` in a name or mail address."""
    wanted = text.strip().lower()
    users = _users(source)
    if not wanted:
        return list(users[:limit])
    exact = list(users.filter(name_key__startswith=wanted)[:limit])
    known = {row.pk for row in exact}
    for row in users[:_SEARCHED].iterator(chunk_size=500):
        if len(exact) >= limit:
            break
        if row.pk not in known and wanted in _searched(row):
            exact.append(row)
    return exact


def _searched(row: ScimResource) -> str:
    body = row.body
    name = body.get("name", {})
    mails = [mail.get("value", "") for mail in body.get("emails", [])]
    return " ".join(
        [row.name_key, body.get("displayName", ""), *map(str, name.values()), *mails]
    ).lower()
