"""Edits of settings add up over 24 hours, with each other and with what runs take away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.errors import UnsafePlan
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Setting, SettingScope
from provisioning.core.settings.types import Value
from provisioning.models import Account, ConsoleUser, LimitUse, Run, SettingValue
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.settings.change import set_value
from provisioning.services.settings.loss import SettingChange
from provisioning.services.settings.places import Place
from tests import factories
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]
REMOTE, DEVICES = CATALOGUE["remote_access"], CATALOGUE["max_devices"]


def give(place: Place, setting: Setting, value: Value | None, **options: Any) -> SettingChange:
    return set_value(
        place=place, setting=setting, value=value, actor=options.pop("actor", COMMAND_LINE),
        **options,
    )  # fmt: skip


@pytest.fixture
def sites() -> list[Place]:
    """A hundred accounts of one SIP domain and pool at 25 sites: 4 % at each, 5 % a day pass."""
    found = [factories.make_site(f"Site {n}") for n in range(25)]
    for n in range(100):
        factories.make_account(f"Room {n}", site=found[n % 25])
    return [Place(SettingScope.SITE, site) for site in found]


def test_ten_edits_of_four_percent_are_held_like_one_of_forty(sites: list[Place]) -> None:
    give(sites[0], REMOTE, False)
    for place in sites[1:10]:
        with pytest.raises(UnsafePlan, match="4 planned on top of 4 in the last 24 hours"):
            give(place, REMOTE, False)
    assert SettingValue.objects.count() == 1


def test_a_preview_says_that_an_edit_would_be_held(sites: list[Place]) -> None:
    give(sites[0], REMOTE, False)
    assert "on top of 4" in give(sites[1], REMOTE, False, dry=True).breaches[0]
    assert LimitUse.objects.count() == 4


def test_whoever_loses_twice_counts_once(sites: list[Place]) -> None:
    give(sites[0], REMOTE, False)
    assert not give(sites[0], DEVICES, 5).breaches
    give(sites[0], REMOTE, None)
    give(sites[0], REMOTE, False)
    assert Account.objects.filter(pk__in=LimitUse.objects.values("account")).count() == 4


def test_after_a_day_it_counts_for_nothing_and_is_forgotten(sites: list[Place]) -> None:
    give(sites[0], REMOTE, False)
    LimitUse.objects.update(at=timezone.now() - timedelta(hours=24, minutes=1))
    give(sites[1], REMOTE, False)
    assert LimitUse.objects.count() == 4


def test_what_somebody_approved_uses_nothing_up(
    sites: list[Place], administrator: ConsoleUser
) -> None:
    give(sites[0], REMOTE, False)
    give(sites[1], REMOTE, False, actor=Actor.of(administrator), approved=True)
    assert LimitUse.objects.count() == 4


def test_one_account_at_a_time_is_never_held(sites: list[Place]) -> None:
    for account in Account.objects.all()[:10]:
        give(Place(SettingScope.ACCOUNT, account), REMOTE, False)
    assert not LimitUse.objects.exists()


def test_a_sync_counts_what_edits_took_away_and_the_other_way_round(company: Company) -> None:
    people = company.directory.add_many(100)
    assert company.sync().state == Run.State.DONE
    site = factories.make_site("Berlin")
    Account.objects.filter(pk__in=Account.objects.values("pk")[:3]).update(site=site)
    give(Place(SettingScope.SITE, site), REMOTE, False)
    company.directory.remove(*people[50:53])
    run = company.sync()
    assert run.state == Run.State.WAITING
    assert "SIP domain voice.example.com: loss of service, 3 planned on top of 3" in run.breaches[0]
    LimitUse.objects.all().delete()
    assert company.sync().state == Run.State.DONE
    with pytest.raises(UnsafePlan, match="3 planned on top of 3"):
        give(Place(SettingScope.SITE, site), DEVICES, 1)
