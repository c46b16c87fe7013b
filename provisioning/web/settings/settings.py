"""Settings: of everybody or of one place, each with its origin; and the page of one setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import InvalidInput, ProvisioningError, UnsafePlan
from provisioning.core.roles import Capability
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.resolver import Effective
from provisioning.core.settings.setting import Area, Family, SettingScope
from provisioning.drivers.base import Kind
from provisioning.models import Account, AuditEvent, DirectoryGroup
from provisioning.services.console.audit_words import tell
from provisioning.services.probes.standing import standing_at_servers
from provisioning.services.rollouts.joined import look_before, tell_joined
from provisioning.services.rollouts.standing import holding_back
from provisioning.services.settings.change import set_value
from provisioning.services.settings.effective import effective_at, explain_setting
from provisioning.services.settings.history import find_history
from provisioning.services.settings.holding import Stores, holders
from provisioning.services.settings.loss import SettingChange
from provisioning.services.settings.places import EVERYWHERE, Place, find_place
from provisioning.services.settings.places_list import given_at, offered_places
from provisioning.services.settings.ranking import move_group, ranked_groups
from provisioning.web.access import ConsoleRequest, Needs, actor_of, check, needs
from provisioning.web.forms.settings import SettingForm
from provisioning.web.ids import row_id
from provisioning.web.shell import href_of

_PAGES = {
    SettingScope.DOMAIN: "domain",
    SettingScope.SITE: "site",
    SettingScope.POOL: "pool",
    SettingScope.SERVER: "server",
    SettingScope.GROUP: "group",
    SettingScope.ACCOUNT: "account",
}


@needs(Capability.VIEW)
@require_safe
def settings(request: ConsoleRequest, scope: str = "global", pk: int = 0) -> HttpResponse:
    """What is effective at a place, by family and area, with its origin and what it beats."""
    place = _find(scope, pk)
    context = place_context(place) | {
        "title": "Settings" if place == EVERYWHERE else f"Settings of {place.name}",
        "crumbs": [("Settings", reverse("settings")), (place.label, "")],
        "offered": [
            (label, [(_token(each), each.name or each.label, each == place) for each in places])
            for label, places in offered_places()
        ],
        "groups": ranked_groups() if place == EVERYWHERE else [],
        "history": _told(find_history(place=place)),
        "at_servers": (
            standing_at_servers([Kind.SETTING, Kind.PREFERENCE]) if place == EVERYWHERE else []
        ),
    }
    return render(request, "settings/settings.html", context)


@needs(Capability.VIEW)
@require_safe
def go(request: ConsoleRequest) -> HttpResponse:
    """To the place that was picked."""
    scope, _, pk = request.GET.get("at", "").partition(":")
    return redirect(href_at(_find(scope or "global", int(pk) if pk.isdecimal() else 0)))


@needs(Capability.CONFIGURE)
@require_POST
def group_move(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let a group count before or behind the next one."""
    group = get_object_or_404(DirectoryGroup, pk=pk)
    up = request.POST.get("direction") == "up"
    try:
        move_group(group_id=group.pk, direction="up" if up else "down", actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, error.message)
    return redirect("settings")


class SettingPage(Needs):
    """One setting at one place: its value, its origin, where else it is given, its history."""

    capability = Capability.VIEW
    # For one account; every other place needs more, see capability_at.
    change_capability = Capability.OPERATE

    def get(self, request: ConsoleRequest, scope: str, pk: int, key: str) -> HttpResponse:
        """The form, with what is effective now."""
        place, effective = _find_setting(scope, pk, key)
        return self._show(place, effective, SettingForm(effective))

    def post(self, request: ConsoleRequest, scope: str, pk: int, key: str) -> HttpResponse:
        """Give a value, or take it back; what passes a limit needs a tick by who may approve."""
        place, effective = _find_setting(scope, pk, key)
        check(request, capability_at(place))
        reset = "reset" in request.POST
        form = SettingForm(effective, request.POST)
        if not reset and not form.is_valid():
            return self._show(place, effective, form, status=422)
        before = look_before()
        try:
            change = set_value(
                place=place,
                setting=effective.setting,
                value=None if reset else form.cleaned_data["value"],
                actor=actor_of(request),
                approved="approved" in request.POST,
                seen=row_id(request.POST["seen"]) if "seen" in request.POST else None,
            )
        except UnsafePlan as error:
            form.add_error(None, error.message)
            if request.user.may(Capability.APPROVE):
                form.ask_for_approval()
            return self._show(place, effective, form, status=422, reset=reset)
        except ProvisioningError as error:
            form.add_error(None if reset else "value", error.message)
            return self._show(place, effective, form, status=422)
        messages.success(request, said(change, tell_joined(before)))
        return redirect(href_at(place))

    def _show(
        self,
        place: Place,
        effective: Effective,
        form: SettingForm,
        *,
        status: int = 200,
        reset: bool = False,
    ) -> HttpResponse:
        setting = effective.setting
        history = find_history(place=place, key=setting.key)
        given, count = given_at(key=setting.key)
        context = {
            "title": setting.label,
            "crumbs": [
                ("Settings", reverse("settings")),
                (place.label, href_at(place)),
                (setting.label, ""),
            ],
            "place": place,
            "effective": effective,
            "form": form,
            "reset": reset,
            "own": is_own(effective, place),
            "may_change": self.request.user.may(capability_at(place)),
            "back": href_at(place),
            "holders": holders(setting),
            "lacking": Stores(place).lacking(setting),
            "rollouts": holding_back(setting),
            "given": [
                (each, setting.type.show(each.given.value), href_at(each.place)) for each in given
            ],
            "given_more": count - len(given),
            "default": setting.type.show(setting.default),
            "beaten": [(setting.type.show(each.value), each.origin) for each in effective.beaten],
            "history": _told(history),
            "seen": history[0].pk if history else 0,
        }
        return render(self.request, "settings/setting.html", context, status=status)


def place_context(place: Place) -> dict[str, Any]:
    """What the list of a place's settings shows (settings/_list.html)."""
    rows = list(_rows(place))
    return {
        "place": place,
        "place_href": href_of(_PAGES[place.scope], place.pk) if place.scope in _PAGES else "",
        "families": [
            (
                family,
                [
                    (area, found)
                    for area in Area
                    if (found := [row for row in rows if _is_in(row["effective"], family, area)])
                ],
            )
            for family in Family
            if any(row["effective"].setting.family is family for row in rows)
        ],
        "may_capability": capability_at(place).value,
    }


def capability_at(place: Place) -> Capability:
    """What changing settings at a place needs: one account is the help desk's."""
    return Capability.OPERATE if isinstance(place.obj, Account) else Capability.CONFIGURE


def href_at(place: Place) -> str:
    """The address of a place's settings; those of an account are a tab of its page."""
    if place.scope is SettingScope.GLOBAL:
        return reverse("settings")
    if place.scope is SettingScope.ACCOUNT:
        return reverse("account-settings", args=[place.pk])
    return reverse("settings-at", args=[place.scope.value, place.pk])


def is_own(effective: Effective, place: Place) -> bool:
    """Whether the value is given at the place itself."""
    return effective.source is not None and effective.source.scope is place.scope


def said(change: SettingChange, rollouts: str) -> str:
    """What was done, whom it reaches, and when; `rollouts` says what brings it in stages."""
    told = f"{change.setting.label}: {change.after.shown} ({change.after.origin}).\n"
    if change.setting.family is not Family.SERVER:
        told += f"{change.changed:,} account{'' if change.changed == 1 else 's'} changed. "
    return told + (rollouts or change.setting.family.effect)


def _rows(place: Place) -> Iterator[dict[str, Any]]:
    stores = Stores(place)
    for effective in effective_at(place=place):
        key = effective.setting.key
        yield {
            "effective": effective,
            "own": is_own(effective, place),
            "href": reverse("setting", args=[place.scope.value, place.pk, key]),
            "lacking": stores.lacking(effective.setting),
            "beaten": [
                (effective.setting.type.show(each.value), each.origin) for each in effective.beaten
            ],
        }


def _told(events: Sequence[AuditEvent]) -> list[tuple[AuditEvent, list[tuple[str, Any, Any]]]]:
    return [(event, tell(event.detail).rows) for event in events]


def _token(place: Place) -> str:
    return f"{place.scope.value}:{place.pk}"


def _is_in(effective: Effective, family: Family, area: Area) -> bool:
    return effective.setting.family is family and effective.setting.area is area


def _find(scope: str, pk: int) -> Place:
    try:
        return find_place(scope, pk)
    except InvalidInput as error:
        raise Http404(error.message) from error


def _find_setting(scope: str, pk: int, key: str) -> tuple[Place, Effective]:
    place = _find(scope, pk)
    if key not in CATALOGUE:
        raise Http404(key)
    try:
        return place, explain_setting(place=place, key=key)
    except InvalidInput as error:
        raise Http404(error.message) from error
