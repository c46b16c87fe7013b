"""Moving between home pools: the new one serves first, and only then the old one lets go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.kamailio import Kamailio
from lab.sip import Login, SipClient
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.core.states import State
from provisioning.models import Account, ConfigStore, Number, PendingChange
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_account, make_pool
from tests.push_site import Site, make_server

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ANN, NUMBER = "ann@voice.example.com", "+442079460123"
ALIAS = f"{NUMBER}@voice.example.com"


@pytest.fixture
def ann(old: Site, new: Site) -> Account:
    account = make_account(user_part="ann")
    Number.objects.create(e164=NUMBER, account=account, state="assigned")
    outbox.mark_account(account, numbers=[NUMBER])
    old.push()
    new.push()
    assert (set(old.subscribers()), set(old.aliases())) == ({ANN}, {ALIAS})
    assert not PendingChange.objects.exists()
    return account


@pytest.fixture
def old(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture
def new(new_site: Callable[..., Site]) -> Site:
    return new_site(pool=make_pool("Tokyo"))


def move(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(pool=make_pool("Tokyo"))
    account.refresh_from_db()
    outbox.mark_account(account, numbers=[NUMBER])


def preferences(site: Site) -> list[tuple[str, ...]]:
    """Who has which setting of their own at the store."""
    return site.rows("SELECT username, attribute FROM usr_preferences")


def test_the_old_store_keeps_an_account_until_the_new_one_serves_it(
    old: Site, new: Site, ann: Account
) -> None:
    move(ann)
    old.push()
    assert (set(old.subscribers()), set(old.aliases())) == ({ANN}, {ALIAS})
    assert f"until {new.store} serves it" in old.change(ANN).problem
    assert not old.change(ANN).dead
    new.push()
    # Nobody has to wait for the back-off.
    old.push()
    assert (old.subscribers(), old.aliases()) == ({}, {})
    assert (set(new.subscribers()), set(new.aliases())) == ({ANN}, {ALIAS})
    assert not PendingChange.objects.exists()


def test_however_often_it_is_tried_nothing_is_given_up_meanwhile(
    old: Site, new: Site, ann: Account
) -> None:
    move(ann)
    for _ in range(5):
        old.push()
        old.end_backoff()
    assert not old.change(ANN).dead
    assert set(old.subscribers()) == {ANN}


def test_a_new_store_that_refuses_it_takes_nothing_from_the_old_one(
    old: Site, new: Site, ann: Account
) -> None:
    new.refuse("ann")
    move(ann)
    new.push()
    old.push()
    assert set(old.subscribers()) == {ANN}
    new.execute("DROP TRIGGER refuse")
    new.end_backoff()
    new.push()
    old.end_backoff()
    old.push()
    assert (set(old.subscribers()), set(new.subscribers())) == (set(), {ANN})


def test_whoever_loses_service_loses_it_at_once_moving_or_not(
    old: Site, new: Site, ann: Account
) -> None:
    move(ann)
    old.push()
    Account.objects.filter(pk=ann.pk).update(state=State.BLOCKED)
    outbox.mark_account(ann)
    old.push()
    assert set(old.subscribers().values()) <= {"!"}


def test_a_full_pass_waits_as_well_and_forgets_nobody(old: Site, new: Site, ann: Account) -> None:
    Account.objects.filter(pk=ann.pk).update(pool=make_pool("Tokyo"))
    for site in (old, new):
        outbox.mark_store(site.store)
    old.push()
    assert set(old.subscribers()) == {ANN}
    assert {ANN, ALIAS} <= old.pending()
    new.push()
    old.push()
    assert (old.subscribers(), old.aliases()) == ({}, {})
    assert not PendingChange.objects.exists()


def test_a_pool_that_nobody_manages_takes_nobody_away(old: Site, new: Site, ann: Account) -> None:
    ConfigStore.objects.filter(pk=new.store.pk).update(mode=ConfigStore.Mode.OBSERVE)
    move(ann)
    old.push()
    assert set(old.subscribers()) == {ANN}
    assert "no store that the console manages serves it at Tokyo" in old.change(ANN).problem


def test_at_every_moment_one_of_two_real_servers_lets_the_client_register(
    old: Site, new: Site, new_kamailio: Callable[..., Kamailio], ann: Account
) -> None:
    here, there = new_kamailio(old), new_kamailio(new)
    make_server(old, here)
    outbox.mark_domain(ann.domain)
    old.push()
    new.push()
    for kamailio in (here, there):
        kamailio.rpc("domain.reload")
    secret = ann.credential.secret()
    assert secret is not None

    def accepted() -> list[int]:
        answers = []
        for kamailio in (here, there):
            with SipClient(kamailio.sip_port) as client:
                login = Login("ann", "voice.example.com", secret)
                answers.append(client.register(login).status)
        return answers

    assert accepted()[0] == 200
    move(ann)
    old.push()
    assert accepted()[0] == 200
    assert here.rpc("ul.lookup", ["location", ANN])
    new.push()
    assert accepted() == [200, 200]
    old.push()
    assert accepted() == [401, 200]
    with pytest.raises(Exception, match="not found"):
        here.rpc("ul.lookup", ["location", ANN])


def test_what_an_account_may_not_holds_at_the_old_store_until_it_lets_go(
    old: Site, new: Site, ann: Account
) -> None:
    set_value(
        place=Place(SettingScope.ACCOUNT, ann), setting=CATALOGUE["messaging"], value=False,
        actor=COMMAND_LINE,
    )  # fmt: skip
    old.push()
    assert preferences(old) == [("ann", "messaging")]
    move(ann)
    outbox.mark_store(old.store)
    outbox.mark_store(new.store)
    old.push()
    assert preferences(old) == [("ann", "messaging")]
    new.push()
    assert preferences(new) == [("ann", "messaging")]
    # Nobody has to wait for the back-off.
    old.push()
    assert (old.subscribers(), preferences(old)) == ({}, [])
    assert not PendingChange.objects.exists()


def test_a_single_setting_follows_its_account_at_once(old: Site, new: Site, ann: Account) -> None:
    set_value(
        place=Place(SettingScope.ACCOUNT, ann), setting=CATALOGUE["messaging"], value=False,
        actor=COMMAND_LINE,
    )  # fmt: skip
    old.push()
    move(ann)
    old.push()
    assert preferences(old) == [("ann", "messaging")]
    assert old.change(f"messaging/{ANN}").attempts == 0
    new.push()
    old.push()
    assert preferences(old) == []
    assert not PendingChange.objects.exists()
