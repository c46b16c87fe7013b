"""What stands around every page: navigation, environment, Pause, health of the directories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from provisioning.core.roles import Capability
from provisioning.models import ConsoleUser, DirectorySource, PushPause

# A directory counts as late after so many of its own intervals without a complete read.
LATE_AFTER = 3


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the navigation; active where the open URL name begins with one of `stems`."""

    url_name: str
    label: str
    icon: str
    stems: tuple[str, ...]
    capability: Capability = Capability.VIEW


SECTIONS: tuple[tuple[str, tuple[Page, ...]], ...] = (
    ("", (Page("overview", "Overview", "layout-dashboard", ("overview",)),)),
    (
        "Directory",
        (
            Page("people", "People", "users", ("people", "person")),
            Page("groups", "Groups", "users-group", ("group",)),
            Page("sources", "Sources & sync", "database-import", ("source",)),
        ),
    ),
    (
        "Accounts",
        (
            Page("accounts", "Accounts", "phone", ("account",)),
            Page("numbers", "Numbers", "dialpad", ("number", "range")),
            Page("rules", "Account rules", "list-check", ("rule",)),
            Page("sites", "Sites", "map-pin", ("site",)),
        ),
    ),
    (
        "Clients",
        (Page("profiles", "Client profiles", "device-mobile", ("profile", "link")),),
    ),
    (
        "Servers",
        (
            Page("servers", "SIP servers", "server-2", ("server",)),
            Page("pools", "Pools & stores", "database", ("pool", "store")),
            Page("domains", "SIP domains", "at", ("domain",)),
            Page("changes", "Changes", "git-compare", ("change", "run")),
        ),
    ),
    (
        "Govern",
        (
            Page("audit", "Audit log", "history", ("audit",)),
            Page("administration", "Administration", "settings", ("administration", "console-user"),
                 Capability.ADMINISTER),
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A page as the navigation shows it."""

    label: str
    icon: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class Health:
    """How the directories are, in one line and a detail; `tone` is green, yellow or secondary."""

    tone: str
    title: str
    detail: str
    at: datetime | None = None


def shell(request: HttpRequest) -> dict[str, object]:
    """Context of every page: `environment`, `nav`, `may`, `pause` and `directory_health`.

    `nav` is [(section, [Item])]; `may` maps each capability to True or False; `pause` is the
    PushPause while pushes are paused, else None; `directory_health` is a Health or None. Without a signed-in console user only `environment` is there. Costs two queries on small tables.
    """
    user = getattr(request, "user", None)
    if not isinstance(user, ConsoleUser):
        return {"environment": settings.ENVIRONMENT}
    match = request.resolver_match
    return {
        "environment": settings.ENVIRONMENT,
        "nav": navigation(user, match.url_name if match else None),
        "may": {capability.value: user.may(capability) for capability in Capability},
        "pause": PushPause.objects.filter(paused=True).select_related("by").first(),
        "directory_health": directory_health(),
    }


def navigation(user: ConsoleUser, current: str | None) -> list[tuple[str, list[Item]]]:
    """The sections with the pages that exist and that `user` may see.

    `current` is the URL name of the open page.
    """
    sections = []
    for title, pages in SECTIONS:
        items = [
            Item(
                page.label, page.icon, url, active=bool(current and current.startswith(page.stems))
            )
            for page in pages
            if user.may(page.capability) and (url := _url(page.url_name))
        ]
        if items:
            sections.append((title, items))
    return sections


def directory_health() -> Health | None:
    """The state of all enabled sources: late ones first; None where there is no source."""
    sources = DirectorySource.objects.filter(enabled=True).values_list(
        "name", "last_complete_at", "interval_seconds", "groups_stale_since"
    )
    now = timezone.now()
    worst: Health | None = None
    for name, complete_at, interval, stale_since in sources:
        if complete_at is None:
            return Health("secondary", "Directory not read yet", name)
        if now - complete_at > timedelta(seconds=max(interval, 60) * LATE_AFTER):
            return Health("yellow", "Directory is late", name, complete_at)
        if stale_since is not None:
            worst = Health("yellow", "Groups are out of date", name, stale_since)
        elif worst is None or (worst.tone == "green" and worst.at and complete_at < worst.at):
            worst = Health("green", "Directory in sync", name, complete_at)
    return worst


def _url(name: str) -> str:
    """The address of a page, empty where it does not exist."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
