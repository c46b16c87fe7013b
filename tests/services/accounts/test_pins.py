"""Pins beat what rules and directory say."""

from __future__ import annotations

import pytest

from provisioning.core.states import State
from provisioning.models import ClientProfile, SipDomain
from provisioning.services.rules.decide import AccountView, PersonView, decide_account
from provisioning.services.rules.matching import values_of
from provisioning.services.rules.rule_book import RuleBook
from tests.factories import make_account, make_person, make_pool, make_rule, make_site

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_pinned_pool_site_profile_and_number_survive_the_rules() -> None:
    profile = ClientProfile.objects.create(name="Desk")
    rule = make_rule(profile=profile, number_formula="phone")
    london, tokyo = make_site(), make_pool("Tokyo")
    person = make_person(office="London", phone="+442079460001")
    account = make_account(person=person, site=london, profile=profile, pool=rule.pool)
    pins = {"pool": str(tokyo.pk), "site": "", "profile": "", "number": ""}
    view = AccountView(
        id=account.pk, version=1, state=State.ACTIVE, blocked=False, domain_id=account.domain_id,
        user_part=account.user_part, aor=account.aor, name=account.name, pool_id=account.pool_id,
        site_id=london.pk, rule_id=rule.pk, profile_id=profile.pk, number="", kind="person",
        pins=pins,
    )  # fmt: skip
    values = {
        **values_of(person),
        **dict.fromkeys(("disabled", "locked_out", "must_change_password"), False),
    }
    decision = decide_account(
        book=RuleBook(),
        domains={domain.pk: domain for domain in SipDomain.objects.all()},
        person=PersonView(person.source_id, person.guid, values, True, ()),
        account=view,
        now="2026-01-01T00:00:00Z",
    )
    assert decision.after is not None
    decided = {name: decision.after[name] for name in pins}
    assert decided == {"pool": tokyo.pk, "site": 0, "profile": 0, "number": ""}
