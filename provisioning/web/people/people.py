"""The list of people, and the pages of one person."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import django_filters
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from provisioning.core.moments import moment
from provisioning.core.precedence import SERVICE
from provisioning.core.records import KINDS, PERSON_FIELDS
from provisioning.core.roles import Capability
from provisioning.core.states import State, is_out
from provisioning.models import Account, DirectorySource, Person
from provisioning.services.accounts.explain import explain_person
from provisioning.services.accounts.history import find_history
from provisioning.services.directory.memberships import find_memberships
from provisioning.services.directory.person_facts import describe_standing, find_manager
from provisioning.services.directory.photos import find_photo
from provisioning.services.joins.one_person import OnePerson, find_one_person
from provisioning.services.sync.lookalikes import DOUBT
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.accounts.account import service_rows
from provisioning.web.keyset import KeysetPage, Order
from provisioning.web.list_page import AnyOf, ListFilter, ListPage, SearchFilter, Switch
from provisioning.web.people.rehires import rehires_of
from provisioning.web.shell import href_of

_TABS = (
    ("person", "Overview", "user"),
    ("person-groups", "Groups", "users-group"),
    ("person-why", "Why", "help-circle"),
    ("person-history", "History", "history"),
)
# Shown in words of their own.
_TOLD_APART = ("manager", "kind", "expires_at")
# Seconds that a browser keeps a portrait, or that there is none.
_PHOTO_KEPT, _NO_PHOTO_KEPT = 86_400, 900
_HERE = [("here", "In the directory"), ("left", "Left")]
_ACCOUNT = [("yes", "With an account"), ("no", "Without an account")]


class PeopleFilter(ListFilter):
    """People by source, presence, account, conflict and search."""

    source = AnyOf(
        choices=lambda: list(DirectorySource.objects.order_by("name").values_list("pk", "name")),
        label="Source",
    )
    presence = django_filters.ChoiceFilter(choices=_HERE, method="by_presence", label="Presence")
    account = django_filters.ChoiceFilter(choices=_ACCOUNT, method="by_account", label="Account")
    disabled = Switch(Q(disabled=True), label="Disabled in the directory")
    joined = Switch(Q(same_as__isnull=False), label="Entry of somebody with several")
    conflict = Switch(~Q(problem=""), label="Conflict")
    q = SearchFilter()

    class Meta:
        model = Person
        fields = ()

    def by_presence(self, people: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        """Those who are in the directory, or those who left it."""
        return people.filter(left_at__isnull=value == "here")

    def by_account(self, people: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        """Those with an account that was not removed, or those without."""
        having = Account.objects.filter(person__isnull=False).exclude(state=State.REMOVED)
        ids = having.values("person_id")
        if value == "yes":
            return people.filter(Q(pk__in=ids) | Q(same_as__in=ids))
        return people.filter(same_as=None).exclude(pk__in=ids)


class People(ListPage[Person]):
    """Everybody who was read from a directory."""

    filter_class = PeopleFilter
    orders = {"name": Order("name_key")}  # noqa: RUF012 - ListPage declares it for the class
    default_order = "name"
    template = "people/people.html"
    results_template = "people/_results.html"
    list_name = "people"
    fixed_views = (
        ("All", ""),
        ("Without an account", "presence=here&account=no"),
        ("Conflicts", "conflict=true"),
        ("Disabled", "disabled=true"),
        ("Left", "presence=left"),
    )

    def queryset(self) -> QuerySet[Person]:
        """With source and accounts."""
        accounts = Account.objects.only("pk", "person_id", "state", "aor").order_by("slot")
        return Person.objects.select_related("source").prefetch_related(
            Prefetch("accounts", queryset=accounts)
        )

    def context(self, request: ConsoleRequest, page: KeysetPage[Person]) -> dict[str, Any]:
        """Title and views."""
        return {
            "title": "People",
            "lead": "As the directory knows them. Change them there; the next sync brings it here.",
        }


@needs(Capability.VIEW)
@require_safe
def overview(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What the directory says, and the person's accounts."""
    person = _find(pk)
    one_person = find_one_person(person=person)
    accounts = person.accounts.select_related(
        "domain", "pool", "site", "rule", "profile", "number", "credential", "proposal"
    )
    context = {
        "identity": _identity(person),
        "accounts": [(account, service_rows(account)) for account in accounts],
        "rehires": rehires_of(person),
        "one_person": one_person,
        "may_join": one_person is None and DirectorySource.objects.count() > 1,
        "entries": [
            (entry, ", ".join(describe_standing(entry)))
            for entry in (one_person.entries if one_person else ())
        ],
        "counts": _counts(one_person) if one_person else [],
    }
    return _page(request, person, "person", "people/person.html", context)


@needs(Capability.VIEW)
@require_safe
def groups(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The person's groups, and the way to each."""
    person = _find(pk)
    context = {"memberships": find_memberships(person=person)}
    return _page(request, person, "person-groups", "people/groups.html", context)


@needs(Capability.VIEW)
@require_safe
def why(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Why the person has the account that they have, or none."""
    person = _find(pk)
    context = {"explanations": explain_person(person=person)}
    return _page(request, person, "person-why", "people/why.html", context)


@needs(Capability.VIEW)
@require_safe
def history(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What happened to the person and the main account."""
    person = _find(pk)
    account = person.accounts.order_by("slot").first()
    context = {"entries": find_history(person=person, account=account)}
    return _page(request, person, "person-history", "people/history.html", context)


@needs(Capability.VIEW)
@require_safe
def photo(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The person's portrait, asked for in the directory; no content where there is none."""
    media_type, data = find_photo(person=_find(pk))
    if not data:
        response = HttpResponse(status=204)
        patch_cache_control(response, private=True, max_age=_NO_PHOTO_KEPT)
        return response
    context = {"media_type": media_type, "data": b64encode(data).decode()}
    response = render(request, "people/_photo.html", context)
    patch_cache_control(response, private=True, max_age=_PHOTO_KEPT)
    return response


def _find(pk: int) -> Person:
    return get_object_or_404(Person.objects.select_related("source"), pk=pk)


def _identity(person: Person) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "label": str(Person._meta.get_field(name).verbose_name).capitalize(),  # type: ignore[union-attr]
            "value": getattr(person, name),
            "mono": name in ("login", "sip_address", "phone", "mobile"),
        }
        for name in PERSON_FIELDS
        if name not in _TOLD_APART
        if getattr(person, name) or name in ("login", "mail", "phone")
    ]
    if person.manager:
        rows.append(_manager(person))
    rows.append({"label": "Standing", "value": ", ".join(describe_standing(person))})
    if person.kind != KINDS[0]:
        rows.append({"label": "Kind of account", "value": Account.Kind(person.kind).label})
    rows.append({"label": "Distinguished name", "value": person.dn, "mono": True})
    rows.append({"label": "Key", "value": person.guid, "mono": True})
    return rows


def _counts(one_person: OnePerson) -> list[dict[str, Any]]:
    """What all entries say together, and where each value comes from."""
    values = one_person.merged.values
    rows = [
        {
            "label": str(Person._meta.get_field(name).verbose_name).capitalize(),  # type: ignore[union-attr]
            "value": values[name],
            "note": one_person.origin(name),
        }
        for name in PERSON_FIELDS
        if name not in _TOLD_APART and values[name]
    ]
    now = moment(timezone.now())
    out = is_out(disabled=values["disabled"], expires_at=values["expires_at"], now=now)
    service = "none" if out or not one_person.merged.present else "as the rules say"
    return [*rows, {"label": "Service", "value": service, "note": one_person.origin(SERVICE)}]


def _manager(person: Person) -> dict[str, Any]:
    manager = find_manager(person)
    if manager is None:
        return {"label": "Manager", "value": person.manager, "mono": True}
    return {"label": "Manager", "value": str(manager), "href": reverse("person", args=[manager.pk])}


def _page(
    request: ConsoleRequest, person: Person, url_name: str, template: str, context: dict[str, Any]
) -> HttpResponse:
    tabs = [
        {
            "label": label,
            "icon": icon,
            "href": reverse(name, args=[person.pk]),
            "active": name == url_name,
        }
        for name, label, icon in _TABS
    ]
    shell = {
        "title": str(person),
        "crumbs": [("People", reverse("people")), (str(person), "")],
        "person": person,
        "is_out": person.is_out(),
        "has_photo": bool(person.source.photo_attribute) and person.left_at is None,
        "source_href": href_of("source", person.source_id),
        "tabs": tabs,
        "may_be_another": DOUBT in person.problem,
    }
    return render(request, template, shell | context)
