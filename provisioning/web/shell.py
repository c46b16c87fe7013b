"""What stands around every page: navigation, environment, Pause, health of the directories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from provisioning.core.roles import Capability
from provisioning.core.severity import Severity
from provisioning.models import Alert, ConsoleUser, DirectorySource, PushPause, Run
from provisioning.services.directory.source_standing import is_late, read_last, with_newest_run
from provisioning.web.templatetags.console import ago

# From good to bad: the worst source speaks for all.
_TONES = ("green", "secondary", "yellow", "red")


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
            Page("registrations", "Registrations", "phone-call", ("registrations",)),
            Page("drift", "Drift", "activity", ("drift",)),
            Page("domains", "SIP domains", "at", ("domain",)),
            Page("routes", "Routes & trunks", "route", ("route", "gateway", "trusted")),
            Page("settings", "Settings", "adjustments-horizontal", ("setting",)),
            Page("changes", "Changes", "git-compare", ("change", "conflict", "run", "rollout")),
        ),
    ),
    (
        "Govern",
        (
            Page("alerts", "Alerts", "bell", ("alert",)),
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
    href: str
    active: bool
    count: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """How the directories are: tone, icon, words, and the page where that is looked into."""

    tone: str
    icon: str
    title: str
    text: str
    href: str


def shell(request: HttpRequest) -> dict[str, object]:
    """Context of every page: `environment`, `nav`, `may`, `pause`, `health` and `open_alerts`.

    `nav` is [(section, [Item])]; `may` maps each capability to True or False; `pause` is the
    PushPause while pushes are paused, else None; `health` is a Health or None; `open_alerts` is
    how many there are, and their colour. Without a signed-in console user only `environment` is
    there. Costs four queries on small tables.
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
        "health": directory_health(),
        "open_alerts": open_alerts(),
    }


def navigation(user: ConsoleUser, current: str | None) -> list[tuple[str, list[Item]]]:
    """The sections with the pages that exist and that `user` may see.

    `current` is the URL name of the open page.
    """
    waiting = Run.objects.filter(state=Run.State.WAITING).count()
    sections = []
    for title, pages in SECTIONS:
        items = [
            Item(
                label=page.label,
                icon=page.icon,
                href=href,
                active=bool(current and current.startswith(page.stems)),
                count=waiting if page.url_name == "changes" else 0,
            )
            for page in pages
            if user.may(page.capability) and (href := href_of(page.url_name))
        ]
        if items:
            sections.append((title, items))
    return sections


def open_alerts() -> tuple[int, str]:
    """How many alerts nobody has acknowledged, and the colour of the worst; decisions apart."""
    new = Alert.objects.filter(ended_at=None, acknowledged_at=None)
    severities = new.exclude(severity=Severity.DECISION).values_list("severity", flat=True)
    found = [Severity(each) for each in severities]
    return len(found), min(found, key=list(Severity).index).tone if found else ""


def directory_health() -> Health | None:
    """The state of the sources, of the worst one first; None without any."""
    sources = with_newest_run(DirectorySource.objects.order_by("last_complete_at")).only(
        "name",
        "enabled",
        "last_complete_at",
        "last_changes_at",
        "interval_seconds",
        "groups_stale_since",
    )
    found = [_health_of(source) for source in sources]
    if not found:
        return None
    worst = max(found, key=lambda health: _TONES.index(health.tone))
    others = sum(health.tone in ("yellow", "red") for health in found if health is not worst)
    return replace(worst, text=f"{worst.text} · {others} more") if others else worst


def _health_of(source: Any) -> Health:
    """How one source (with its newest run) stands; what a decision or a look would mend first."""
    here = href_of("source", source.pk)
    run = href_of("run", source.newest_run) if source.newest_run else here
    at, stale = read_last(source), source.groups_stale_since
    if source.newest_state == Run.State.FAILED:
        text = f"{source.name} · {ago(source.newest_at)}"
        return Health("red", "alert-triangle", "Last sync failed", text, run)
    if source.newest_state == Run.State.WAITING:
        return Health("yellow", "hourglass", "Changes wait for approval", source.name, run)
    if at is None:
        return Health("secondary", "question-mark", "Directory not read yet", source.name, here)
    text = f"{source.name} · {ago(at)}"
    if is_late(source):
        return Health("yellow", "clock", "Directory is late", text, here)
    if stale is not None:
        text = f"{source.name} · {ago(stale)}"
        return Health("yellow", "alert-triangle", "Groups out of date", text, here)
    if not source.enabled:
        return Health("secondary", "player-pause", "Not read on schedule", text, here)
    return Health("green", "circle-check", "Directory in sync", text, here)


def href_of(url_name: str, *args: object) -> str:
    """The address of a page, empty where there is none of that name."""
    try:
        return reverse(url_name, args=args) if args else _fixed_href(url_name)
    except NoReverseMatch:
        return ""


# A process has one set of addresses, and the navigation asks for all of them on every page.
@cache
def _fixed_href(url_name: str) -> str:
    return reverse(url_name)
