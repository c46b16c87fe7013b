"""`decide_accounts`: every account by the rules; dry unless told otherwise."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import Account, AccountRule, Run
from tests.factories import make_pool, make_store
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def run(*arguments: str, status: int = 0) -> str:
    out = io.StringIO()
    if not status:
        call_command("decide_accounts", *arguments, stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("decide_accounts", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


@pytest.fixture
def edited(company: Company) -> Company:
    """Forty people whose rule now says another pool, which is more than may move at once."""
    company.directory.add_many(40)
    company.sync()
    pool = make_pool("Berlin")
    make_store(pool=pool)
    AccountRule.objects.update(pool=pool)
    return company


def _moved() -> int:
    return Account.objects.filter(pool__name="Berlin").count()


def test_it_is_dry_unless_told_otherwise(edited: Company) -> None:
    edited.relax()
    assert "40 changed" in run()
    assert _moved() == 0
    told = json.loads(run("--details", "--json"))
    assert (told["dry"], len(told["changes"]), told["held"]) == (True, 40, 0)
    assert "applied" in run("--apply")
    assert _moved() == 40
    assert "Nothing to change." in run("--apply")


def test_what_passes_a_limit_waits_also_the_second_time(edited: Company) -> None:
    assert "40 would wait" in run(status=2)
    assert "wait for approval" in run("--apply", status=2)
    assert _moved() == 0
    waiting = Run.objects.get(state=Run.State.WAITING)
    assert f"run #{waiting.pk} still wait" in run("--apply", status=2)
