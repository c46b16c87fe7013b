"""What rules, pins and the directory make of one person's account."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from provisioning.core.states import State
from provisioning.models import Account, Pin
from provisioning.services.accounts.accounts import AccountChange, change_account
from provisioning.services.accounts.addresses import rename_account
from provisioning.services.accounts.blocks import end_pin
from provisioning.services.actor import COMMAND_LINE
from tests.factories import make_pool, make_rule, make_site
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _pin(account: Account, field: str, value: str) -> Pin:
    return Pin.objects.create(account=account, field=field, value=value, reason="because")


@pytest.fixture
def ann(company: Company) -> Somebody:
    """Somebody with an account, some others, and no limits."""
    company.relax()
    one = company.directory.add("ann", phone="+442079460001", office="London")
    company.directory.add_many(5)
    company.sync()
    return one


def test_the_first_matching_rule_wins(company: Company) -> None:
    other = make_pool("Berlin")
    make_rule(name="Sales", position=1, condition="equals(department, 'Sales')", pool=other,
              user_formula="'s-{login}'")  # fmt: skip
    make_rule(name="Off", position=0, enabled=False, user_formula="'off'")
    sales = company.directory.add("sal", department="Sales")
    rest = company.directory.add("rob", department="Research")
    company.sync()
    assert (company.account(sales).aor, company.account(sales).pool) == (
        "s-sal@voice.example.com", other,
    )  # fmt: skip
    assert company.account(rest).rule == company.rule


@pytest.mark.parametrize(
    ("columns", "matches"),
    [
        ({"ou": "OU=People, dc=example"}, True),
        ({"ou": "ou=elsewhere,dc=example"}, False),
        ({"condition": "equals(login, 'ann')"}, True),
        ({"condition": "equals(login, 'bob')"}, False),
    ],
)
def test_whom_a_rule_is_for(company: Company, columns: dict[str, str], matches: bool) -> None:
    for name, value in columns.items():
        setattr(company.rule, name, value)
    company.rule.save()
    ann = company.directory.add("ann")
    run = company.sync()
    assert run.counts.get("account.create", 0) == int(matches)
    assert Account.objects.filter(person=company.person(ann)).exists() is matches


def test_somebody_for_whom_no_rule_is_any_more_gets_grace(company: Company, ann: Somebody) -> None:
    company.directory.add("bob")
    company.sync()
    company.rule.condition = "equals(login, 'bob')"
    company.rule.save()
    company.apply_rules()
    assert company.account(ann).state == State.GRACE
    company.rule.condition = ""
    company.rule.save()
    company.apply_rules()
    assert company.account(ann).state == State.ACTIVE


def test_a_formula_that_gives_nothing_is_a_conflict(company: Company) -> None:
    company.rule.user_formula = "lower(before(mail, '@'))"
    company.rule.save()
    ann = company.directory.add("ann")
    bob = company.directory.add("bob", mail="böb@example.com")
    company.sync()
    assert "gives nothing for this person" in company.person(ann).problem
    assert "cannot be the user part of a SIP URI" in company.person(bob).problem
    assert not Account.objects.exists()
    ann.set(mail="ann@example.com")
    company.sync()
    assert company.account(ann).aor == "ann@voice.example.com"


@pytest.mark.parametrize("field", ["user_part", "number", "pool", "site", "profile", "state"])
def test_a_pin_beats_rule_and_directory(company: Company, ann: Somebody, field: str) -> None:
    company.rule.follow_user = True
    company.rule.save()
    other, site = make_pool("Berlin"), make_site("Paris", "FR")
    pinned: dict[str, Any] = {
        "user_part": "boss", "number": "+442079460099", "pool": other.pk, "site": site.pk,
        "profile": "", "state": "held",
    }  # fmt: skip
    _pin(company.account(ann), field, str(pinned[field]))
    ann.set(login="anna", phone="+442079460002", office="")
    company.sync()
    account = company.account(ann)
    found = {
        "user_part": account.user_part, "number": account.number.e164, "pool": account.pool_id,
        "site": account.site_id, "profile": account.profile_id or "", "state": account.state,
    }  # fmt: skip
    followed = {
        "user_part": "anna", "number": "+442079460002", "pool": company.rule.pool_id,
        "site": None, "profile": "", "state": "active",
    }  # fmt: skip
    assert found == {**followed, field: pinned[field]}
    assert rows_of(company.sync()) == []


def test_values_that_an_administrator_changed_survive_the_next_sync(
    company: Company, ann: Somebody
) -> None:
    account = company.account(ann)
    site, other = make_site("Paris", "FR"), make_pool("Berlin")
    change = AccountChange(
        name=account.name, pool=other, site=site, profile=None, responsible="", ends_on=None,
        reason="moved",
    )  # fmt: skip
    change_account(account=account, change=change, actor=COMMAND_LINE)
    rename_account(account=account, user_part="boss", reason="asked", actor=COMMAND_LINE)
    ann.set(title="Director", office="Rome", login="anna")
    company.sync()
    account = company.account(ann)
    assert (account.pool, account.site, account.user_part) == (other, site, "boss")
    assert company.person(ann).problem == ""


def test_a_pinned_sip_uri_asks_nothing_of_the_formula(company: Company, ann: Somebody) -> None:
    _pin(company.account(ann), "user_part", "ann")
    ann.set(login="not a user part!", mail="x@example.com")
    run = company.sync()
    assert company.person(ann).problem == ""
    assert rows_of(run, status="proposed") == []


def test_after_a_pin_the_rule_decides_again(company: Company, ann: Somebody) -> None:
    company.rule.follow_user = True
    company.rule.save()
    pin = _pin(company.account(ann), "user_part", "boss")
    company.apply_rules()
    assert company.account(ann).user_part == "boss"
    end_pin(pin=pin, actor=COMMAND_LINE)
    company.apply_rules()
    assert company.account(ann).user_part == "ann"


def test_the_site_follows_the_office(company: Company, ann: Somebody) -> None:
    london, paris = make_site("London", "GB"), make_site("Paris", "FR")
    paris.match_values = "PAR-1\nPAR-2"
    paris.save()
    company.apply_rules()
    assert company.account(ann).site == london
    ann.set(office="par-2")
    company.sync()
    assert company.account(ann).site == paris


def test_an_account_with_an_end_date_of_its_own_is_not_a_persons(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    Account.objects.update(ends_on=date(2020, 1, 1))
    ann.set(title="Director")
    company.sync()
    assert company.account(ann).state == State.ACTIVE
