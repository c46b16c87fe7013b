"""What a plan says that it does downstream is what applying it does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.states import MEANINGS, State
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    ConfigStore,
    Number,
    ProvisioningLink,
    Run,
    SipServer,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push.desired import derive, wanted_pages
from provisioning.services.runs import review, runs
from provisioning.services.runs.run_effects import Effects, effects_of
from tests.factories import make_pool, make_store
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def rows_at(store: ConfigStore) -> dict[tuple[str, str], object]:
    """What a store should hold of accounts and numbers: (kind, key) → row."""
    return {
        (kind, key): row
        for kind in (Kind.SUBSCRIBER, Kind.ALIAS)
        for page in wanted_pages(store=store, kind=kind)
        for key, row in derive(store=store, kind=kind, page=page).rows.items()
    }


def seen(run: Run) -> Effects:
    """The effects of a run that has some."""
    found = effects_of(run=run)
    assert found is not None
    return found


def test_a_preview_tells_what_the_sync_does_to_accounts_numbers_links_and_stores(
    company: Company,
) -> None:
    company.relax()
    company.rule.follow_user = company.rule.follow_number = True
    company.rule.save()
    SipServer.objects.create(name="sip1", pool=company.store.pool, store=company.store)
    make_store(name="Branch", pool=make_pool("Berlin"), mode=ConfigStore.Mode.OBSERVE)
    people = company.directory.add_many(8)
    company.sync()
    for one in people[:4]:
        ProvisioningLink.objects.create(
            account=company.account(one), format="rtc", token_hash=one.guid,
            expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
    leaver, locked, renamed, swapped, other, silent = people[:6]
    company.directory.remove(leaver)
    locked.set(locked="yes")
    renamed.set(login="renamed")
    swapped.set(phone=other.values["phone"])
    other.set(phone="+442079460777")
    silent.set(phone="")
    company.directory.add("newcomer", phone="+442079460888")
    before, links = rows_at(company.store), _links()
    numbers = set(Number.objects.filter(account__isnull=False).values_list("e164", flat=True))
    usable = _usable()
    told = seen(company.sync(dry=True))
    run = company.sync()
    assert run.state == Run.State.DONE
    assert effects_of(run=run) is None
    after = rows_at(company.store)
    assert (told.made, told.losing, told.renamed, told.moved) == (1, 2, 1, 0)
    assert told.losing == len(usable - _usable()) == 2
    assert told.links == links - _links() == 3
    held = set(Number.objects.filter(account__isnull=False).values_list("e164", flat=True))
    assert told.quarantined == len(numbers - held) == 2
    assert told.numbers == 3
    assert (told.cut_off, told.servers) == (3, ["sip1"])
    (store,) = told.stores
    written = {key for key, row in after.items() if before.get(key) != row}
    deleted = before.keys() - after.keys()
    assert store.accounts_deleted == len([key for key in deleted if key[0] == "subscriber"]) == 1
    assert store.numbers_deleted >= len([key for key in deleted if key[0] == "alias"])
    # What is pushed is compared at the store: at least what differs is among it.
    assert store.accounts_written >= len([key for key in written if key[0] == "subscriber"])
    assert store.text.startswith(f"{store.accounts_written} account rows written")


def test_of_a_run_that_waits_only_what_waits_is_told(company: Company) -> None:
    people = company.directory.add_many(40)
    company.sync()
    company.directory.remove(*people[:10])
    company.directory.add("newcomer")
    told = seen(company.sync())
    assert told.lines == [("Losing service", 10), ("Registrations end", 10)]
    assert [each.text for each in told.stores] == [
        "10 account rows written, 10 number rows written"
    ]


def test_released_people_are_not_told_of_any_more(company: Company) -> None:
    people = company.directory.add_many(40)
    company.sync()
    company.directory.remove(*people[:10])
    run = company.sync()
    chosen = [one.guid for one in people[:4]]
    review.release_people(run=run, digest=run.digest, subjects=chosen, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert seen(run).losing == 6


def test_a_store_that_is_only_observed_is_named_as_such(company: Company) -> None:
    company.store.mode = ConfigStore.Mode.OBSERVE
    company.store.save()
    company.directory.add("ann")
    (store,) = seen(company.sync(dry=True)).stores
    assert store.text == "observed only: nothing is written"


def test_nothing_follows_from_a_change_of_a_title(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    ann.set(title="Director")
    assert effects_of(run=company.sync(dry=True)) is None


def _links() -> int:
    return ProvisioningLink.objects.filter(revoked_at__isnull=True).count()


def _usable() -> set[int]:
    usable = [state for state in State if MEANINGS[state].usable]
    return set(Account.objects.filter(state__in=usable).values_list("pk", flat=True))
