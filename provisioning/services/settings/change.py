"""Giving a setting a value at a place and taking it back: checked, limited, audited, marked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.limits import Category
from provisioning.core.settings.account_settings import PRESENTED_NUMBER
from provisioning.core.settings.catalogue import conflicts
from provisioning.core.settings.forwarding_settings import TARGETS
from provisioning.core.settings.resolver import Effective
from provisioning.core.settings.setting import Family, Setting, SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import (
    Account,
    GroupRank,
    ServerPool,
    SettingValue,
    SipServer,
)
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.directory.group_uses import follow_used_groups
from provisioning.services.routing.marking import marking_routing
from provisioning.services.runs.limit_use import check_approval, note_use
from provisioning.services.settings.affected import Snapshot
from provisioning.services.settings.effective import effective_at
from provisioning.services.settings.forwarding import check_target
from provisioning.services.settings.history import ACTION, require_newest
from provisioning.services.settings.loss import SettingChange, weigh
from provisioning.services.settings.marking import mark_change
from provisioning.services.settings.places import Place


def set_value(
    *,
    place: Place,
    setting: Setting,
    value: Value | None,
    actor: Actor,
    approved: bool = False,
    dry: bool = False,
    seen: int | None = None,
) -> SettingChange:
    """Give `setting` a value at `place`, or take it back there (None); what that changes.

    `seen` is the newest event of its history that somebody knew who decided this, 0 for none: what
    was changed since is not replaced.
    Raises InvalidInput where the value, or together with others the whole, cannot be; UnsafePlan
    where more accounts lose service than their limits let pass, unless somebody who may approve
    says `approved`. With `dry` nothing is kept, and passed limits are only told.
    """
    _check_scope(place, setting)
    checked = None if value is None else setting.type.check(value)
    with transaction.atomic():
        snapshot = Snapshot(place=place, setting=setting)
        before = _effective(place, setting)
        # Presenting the number of a site makes servers know the sites and their numbers.
        routing = marking_routing(actor=actor, about=f"“{setting.label}” at {place.label}")
        with routing if setting.key == PRESENTED_NUMBER else nullcontext():
            given = _write(place, setting, checked, actor)
        if seen is not None:
            require_newest(place=place, setting=setting, seen=seen)
        after = _effective(place, setting)
        _check_whole(place, setting)
        if checked and setting.key in TARGETS:
            check_target(place=place, target=checked)
        change = weigh(snapshot=snapshot, before=before, after=after)
        if not dry:
            check_approval(change.breaches, actor, approved=approved)
        if dry:
            transaction.set_rollback(True)
        elif given != checked:
            _record(change, given, checked, actor)
            if not change.breaches:
                note_use(category=Category.SERVICE, at_risk=change.limited)
            mark_change(change, actor=actor)
    return change


def _check_scope(place: Place, setting: Setting) -> None:
    if place.scope not in setting.family.scopes:
        places = ", ".join(scope.label for scope in setting.family.scopes)
        raise InvalidInput(
            f"“{setting.label}” is not given for one {place.scope.label}; its places are: {places}."
        )
    if isinstance(place.obj, Account) and place.obj.state == "removed":
        raise InvalidInput(f"{place.name} is removed. Nothing was changed.")


def _effective(place: Place, setting: Setting) -> Effective:
    return next(each for each in effective_at(place=place) if each.setting is setting)


def _write(place: Place, setting: Setting, value: Value | None, actor: Actor) -> Value | None:
    """Keep the value; returns what was given there before."""
    rows = SettingValue.objects.select_for_update().filter(place.values(), key=setting.key)
    row = rows.first()
    before = None if row is None else row.value
    if value is None:
        rows.delete()
    elif row is None:
        where = {place.scope.value: place.obj} if place.obj is not None else {}
        SettingValue.objects.create(
            key=setting.key, scope=place.scope, value=value, by=actor.user, at=timezone.now(),
            **where,
        )  # fmt: skip
    else:
        row.value, row.by, row.at = value, actor.user, timezone.now()
        row.save(update_fields=["value", "by", "at"])
    if place.scope is SettingScope.GROUP:
        _rank(place)
        follow_used_groups()
    return tuple(before) if isinstance(before, list) else before


def _rank(place: Place) -> None:
    """A group with its first setting comes last; one without any has no rank."""
    ranked = GroupRank.objects.filter(group=place.pk)
    if not SettingValue.objects.filter(place.values()).exists():
        ranked.delete()
    elif not ranked.exists():
        last = GroupRank.objects.aggregate(last=Max("position"))["last"] or 0
        GroupRank.objects.create(group_id=place.pk, position=last + 1)


def _check_whole(place: Place, setting: Setting) -> None:
    """Raise InvalidInput where the values that are effective together cannot be."""
    for each in _places_to_check(place, setting):
        values = {one.setting.key: one.value for one in effective_at(place=each)}
        if reasons := conflicts(values):
            raise InvalidInput(f"{each.label}: {' '.join(reasons)} Nothing was changed.")


def _places_to_check(place: Place, setting: Setting) -> Iterator[Place]:
    """The place itself, and below it what may have values that do not go with the new one."""
    yield place
    if setting.family is not Family.SERVER:
        return
    pools = ServerPool.objects.filter(settingvalue__isnull=False)
    servers = SipServer.objects.filter(settingvalue__isnull=False)
    if place.scope is SettingScope.POOL:
        servers = servers.filter(pool=place.pk)
    if place.scope is SettingScope.GLOBAL:
        yield from (Place(SettingScope.POOL, pool) for pool in pools.distinct())
    if place.scope is not SettingScope.SERVER:
        yield from (Place(SettingScope.SERVER, server) for server in servers.distinct())


def _record(change: SettingChange, before: Value | None, after: Value | None, actor: Actor) -> None:
    """One event at the place: what was given there before and now."""
    show = change.setting.type.show
    detail: dict[str, object] = {
        change.setting.label: [
            "not given" if before is None else show(before),
            "not given" if after is None else show(after),
        ],
        "setting": change.setting.key,
    }
    if change.changed:
        detail["accounts"] = change.changed
    if change.breaches:
        detail["over the limit"] = True
    audit.record(actor=actor, action=ACTION, obj=change.place.obj, detail=detail)
