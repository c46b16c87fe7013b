"""The search over everything (Ctrl-K)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.core.text import counted, fold
from provisioning.models import (
    Account,
    ConsoleUser,
    DirectoryGroup,
    DirectorySource,
    Number,
    Person,
    SipServer,
)
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.search import MAX_QUERY, matching, phone_digits, words
from provisioning.web.shell import SECTIONS, href_of

# How many of each kind are offered; and how long a query must be before people are searched.
OFFERED, LEAST = 6, 2
# Found behind the name of a source: (label, URL name, icon, capability).
_OF_SOURCE = (
    ("", "source", "database-import", Capability.VIEW),
    ("Change", "source-edit", "edit", Capability.CONFIGURE),
    ("Schedule", "source-schedule", "clock", Capability.CONFIGURE),
    ("Key", "source-key", "key", Capability.CONFIGURE),
    ("Write-back", "source-write-back", "database-import", Capability.CONFIGURE),
)
# Found by their name, beside the pages of the sidebar: (label, URL name, icon, capability).
_WITHIN = (
    ("Conflicts", "changes-conflicts", "user-question", Capability.VIEW),
    ("Proposals of SIP URIs", "changes-proposals", "git-compare", Capability.VIEW),
    ("One person, several entries", "source-joins", "users-group", Capability.VIEW),
    ("Number ranges", "ranges", "dialpad", Capability.VIEW),
    ("Your settings", "own-settings", "settings", Capability.VIEW),
    ("New account", "account-new", "plus", Capability.OPERATE),
    ("Pause all pushes", "pause", "player-pause", Capability.CONFIGURE),
    ("Add a directory", "source-new", "plus", Capability.CONFIGURE),
    ("New gateway", "gateway-new", "plus", Capability.CONFIGURE),
    ("New route", "route-new", "plus", Capability.CONFIGURE),
    ("New trusted host", "trusted-new", "plus", Capability.CONFIGURE),
    ("New account rule", "rule-new", "plus", Capability.CONFIGURE),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: `name` asks for an avatar, `icon` for an icon, `state` for a badge."""

    label: str
    href: str
    icon: str = ""
    name: str = ""
    detail: str = ""
    state: str = ""


@needs(Capability.VIEW)
@require_safe
def palette(request: ConsoleRequest) -> HttpResponse:
    """What matches `q`: pages at once, the rest from two characters on."""
    query = request.GET.get("q", "").replace("\x00", "")[:MAX_QUERY].strip()
    found = [("Go to", list(_pages(request.user, query)))]
    if len(query) >= LEAST and words(query):
        found = [
            ("Accounts", list(_accounts(query))),
            ("People", list(_people(query))),
            ("Numbers", list(_numbers(query))),
            ("Groups", list(_groups(query))),
            ("SIP servers", list(_servers(query))),
            ("Sources", list(_sources(request.user, query))),
            ("Settings", list(_settings(query))),
            *found,
        ]
    groups = [
        (heading, kept) for heading, hits in found if (kept := [hit for hit in hits if hit.href])
    ]
    context = {"query": query, "groups": groups}
    return render(request, "components/palette_results.html", context)


def _pages(user: ConsoleUser, query: str) -> Iterator[Hit]:
    wanted = fold(query)
    for _, pages in SECTIONS:
        for page in pages:
            if user.may(page.capability) and wanted in fold(page.label):
                yield Hit(page.label, href_of(page.url_name), icon=page.icon)
    for label, url_name, icon, capability in _WITHIN:
        if wanted and user.may(capability) and wanted in fold(label):
            yield Hit(label, href_of(url_name), icon=icon)


def _accounts(query: str) -> Iterator[Hit]:
    found = matching(Account.objects.exclude(state="removed"), query)
    for pk, name, aor, state in found.values_list("pk", "name", "aor", "state")[:OFFERED]:
        yield Hit(name, href_of("account", pk), name=name, detail=aor, state=state)


def _people(query: str) -> Iterator[Hit]:
    """People without an account; those with one are found by it."""
    found = matching(Person.objects.filter(left_at=None, accounts=None), query)
    for pk, name, login in found.values_list("pk", "display_name", "login")[:OFFERED]:
        yield Hit(name or login, href_of("person", pk), name=name or login, detail=login)


def _numbers(query: str) -> Iterator[Hit]:
    digits = phone_digits(query)
    if not digits:
        return
    found = Number.objects.filter(e164__contains=digits).select_related("account")
    numbers = href_of("numbers")
    for number in found.order_by("e164")[:OFFERED]:
        if number.account:
            href, detail = href_of("account", number.account_id), number.account.name
        else:
            href, detail = f"{numbers}?q={number.e164.lstrip('+')}" if numbers else "", ""
        yield Hit(number.e164, href, icon="dialpad", detail=detail, state=number.state)


def _groups(query: str) -> Iterator[Hit]:
    found = matching(DirectoryGroup.objects.filter(left_at=None), query, column="name_key")
    for pk, name, members in found.values_list("pk", "name", "member_count")[:OFFERED]:
        yield Hit(name, href_of("group", pk), icon="users-group", detail=counted(members, "member"))


def _servers(query: str) -> Iterator[Hit]:
    found = SipServer.objects.filter(Q(name__icontains=query) | Q(sip_host__icontains=query))
    for server in found.order_by("name")[:OFFERED]:
        href = href_of("server", server.pk)
        yield Hit(server.name, href, icon="server-2", detail=server.sip_host, state=server.health)


def _settings(query: str) -> Iterator[Hit]:
    wanted = fold(query)
    for setting in CATALOGUE.values():
        if wanted in fold(setting.label):
            href = reverse("setting", args=[SettingScope.GLOBAL.value, 0, setting.key])
            yield Hit(setting.label, href, icon="selector", detail=setting.family.label)


def _sources(user: ConsoleUser, query: str) -> Iterator[Hit]:
    """Sources by name, and their pages by the name of the source, of the page, or of both."""
    wanted = words(query)
    found = 0
    for source in DirectorySource.objects.order_by("name"):
        for label, url_name, icon, capability in _OF_SOURCE:
            title = f"{source}: {label}" if label else str(source)
            if (source.is_scim and label in ("Key", "Write-back")) or not user.may(capability):
                continue
            if found < OFFERED and all(word in fold(title) for word in wanted):
                found += 1
                yield Hit(title, href_of(url_name, source.pk), icon=icon)
