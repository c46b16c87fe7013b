"""Settings at a real Kamailio: pushed, reloaded, and effective for whoever registers and writes."""

from __future__ import annotations

import pytest

from lab.gateway import Gateway as LabGateway
from lab.sip import Response
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.drivers.base import Kind
from provisioning.models import Account
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.settings.change import set_value
from provisioning.services.settings.holding import Stores
from provisioning.services.settings.places import EVERYWHERE, Place
from tests import factories
from tests.push_site import Site
from tests.services.settings.field import Field

pytestmark = pytest.mark.django_db
S = SettingScope


def lasts(response: Response) -> str:
    """How long the server says that the registration lasts."""
    assert response.status == 200, response
    return response.headers["contact"].partition("expires=")[2].partition(";")[0]


def test_registrations_are_bounded_as_pool_and_server_say_and_as_before_once_nobody_says(
    field: Field,
) -> None:
    phone, ann = field.phone(), field.login("ann")

    def least() -> str:
        refused = phone.register(ann, expires=1)
        return refused.headers["min-expires"] if refused.status == 423 else "none"

    assert least() == "60"
    assert lasts(phone.register(ann, expires=9000)) == "3600"
    pool, server = Place(S.POOL, field.site.store.pool), Place(S.SERVER, field.server)
    field.give(EVERYWHERE, "min_expires", 20)
    field.give(pool, "max_expires", 7200)
    assert least() == "20"
    assert lasts(phone.register(ann, expires=30)) == "30"
    assert lasts(phone.register(ann, expires=9000)) == "7200"
    assert field.stored() == {"min_expires": "20", "max_expires": "7200"}
    field.give(server, "min_expires", 40)
    assert least() == "40"
    for place, key in (
        (server, "min_expires"),
        (EVERYWHERE, "min_expires"),
        (pool, "max_expires"),
    ):
        field.give(place, key, None)
    assert field.stored() == {}
    assert least() == "60"


def test_a_further_device_is_refused_and_one_account_may_have_more(field: Field) -> None:
    field.give(EVERYWHERE, "max_devices", 1)
    field.give(field.of("bob"), "max_devices", 2)
    assert field.preferences() == {("bob", "max_devices", "2")}
    answers = {}
    for user in ("ann", "bob"):
        with field.phone() as first, field.phone() as second:
            phones = [each.register(field.login(user)).status for each in (first, second)]
        answers[user] = phones
    assert answers == {"ann": [200, 503], "bob": [200, 200]}


def test_messages_are_refused_to_and_from_whoever_may_have_none(field: Field) -> None:
    with field.phone("tcp") as phone:
        phone.register(field.login("bob"))
        field.give(field.of("bob"), "messaging", False)
        assert field.write("bob", "ann@voice.example.com").status == 403
        assert field.write("ann", "bob@voice.example.com").status == 403
        # A group that allows them does not count against the account itself.
        field.give(Place(S.DOMAIN, field.accounts["ann"].domain), "messaging", True)
        assert field.write("bob", "ann@voice.example.com").status == 403
        field.give(field.of("bob"), "messaging", None)
        assert field.write("bob", "ann@voice.example.com").status == 404
        assert field.preferences() == set()


def test_messages_are_bounded_in_length_and_number(field: Field) -> None:
    field.give(EVERYWHERE, "message_bytes", 300)
    assert field.write("ann", "bob@voice.example.com", "x" * 301).status == 513
    assert field.write("ann", "bob@voice.example.com", "x" * 300).status == 404
    field.give(EVERYWHERE, "messages_per_minute", 2)
    answers = [field.write("bob", "ann@voice.example.com").status for _ in range(3)]
    assert answers == [404, 404, 503]


def test_a_broken_client_registers_no_more_than_the_limit_lets_it(field: Field) -> None:
    field.give(EVERYWHERE, "registers_per_minute", 2)
    assert [field.register("ann").status for _ in range(3)] == [200, 200, 503]
    assert field.register("bob").status == 200


def test_remote_access_is_refused_only_from_outside_the_internal_networks(field: Field) -> None:
    field.give(EVERYWHERE, "remote_access", False)
    assert field.register("ann").status == 200
    field.give(EVERYWHERE, "internal_networks", ("10.0.0.0/8", "fd00::/8"))
    assert field.register("ann").status == 403
    field.give(field.of("ann"), "remote_access", True)
    assert field.register("ann").status == 200
    assert field.register("bob").status == 403
    field.give(EVERYWHERE, "internal_networks", ("10.0.0.0/8", "127.0.0.0/8"))
    assert field.register("bob").status == 200


def test_other_domains_are_reached_only_as_server_account_and_lists_allow(field: Field) -> None:
    def answer() -> tuple[int, str]:
        response = field.write("ann", "carol@partner.example")
        return response.status, response.reason

    assert answer() == (403, "No Federation")
    field.give(EVERYWHERE, "federation_enabled", True)
    # Nobody listens there: the request left, and came to nothing.
    field.give(EVERYWHERE, "federation_edge", "127.0.0.1:9")
    assert answer()[0] == 477
    field.give(EVERYWHERE, "federation_partners", ("other.example",))
    assert answer() == (403, "Not A Partner")
    field.give(EVERYWHERE, "federation_partners", ("other.example", "partner.example"))
    assert answer()[0] == 477
    field.give(EVERYWHERE, "federation_partners", ())
    field.give(EVERYWHERE, "federation_blocked", ("partner.example",))
    assert answer() == (403, "Blocked Domain")
    field.give(EVERYWHERE, "federation_blocked", ())
    field.give(field.of("ann"), "federated_messaging", False)
    assert answer() == (403, "No Federated Messages")
    field.give(field.of("ann"), "federation", False)
    assert answer() == (403, "No Federation")


def test_what_the_group_says_goes_with_the_member_and_no_row_stays(field: Field) -> None:
    person = factories.make_person()
    Account.objects.filter(user_part="ann").update(person=person)
    group = Place(S.GROUP, factories.make_group(members=(person,)))
    field.give(group, "messaging", False)
    assert field.preferences() == {("ann", "messaging", "0")}
    field.give(group, "messaging", None)
    assert field.preferences() == set()


def test_nothing_is_written_that_nobody_gave_and_everything_is_compared_anew_on_demand(
    field: Field,
) -> None:
    assert field.stored() == {}
    field.give(field.of("ann"), "max_devices", 3)
    field.site.execute("DELETE FROM usr_preferences")
    field.site.execute("INSERT INTO htable (key_name, key_value) VALUES ('theirs', '1')")
    outbox.mark_store(field.site.store)
    assert field.site.push(mend=True).failed == 0
    assert field.preferences() == {("ann", "max_devices", "3")}
    assert field.stored() == {"theirs": "1"}


def test_a_store_without_the_tables_takes_accounts_and_tells_what_it_cannot_hold(
    site: Site,
) -> None:
    site.execute("DROP TABLE htable", "DELETE FROM version WHERE table_name = 'htable'")
    factories.make_account(user_part="ann", pool=site.store.pool)
    set_value(place=EVERYWHERE, setting=CATALOGUE["min_expires"], value=30, actor=COMMAND_LINE)
    outbox.mark_store(site.store)
    site.push()
    assert set(site.subscribers()) == {"ann@voice.example.com"}
    change = site.change("min_expires")
    assert change.kind == Kind.SETTING
    assert "htable" in change.problem
    stores = Stores(Place(S.POOL, site.store.pool))
    assert stores.lacking(CATALOGUE["min_expires"]) == [site.store.name]
    assert stores.lacking(CATALOGUE["messaging"]) == []
    assert stores.lacking(CATALOGUE["video"]) == []


def test_an_account_calls_what_its_class_of_service_allows_and_emergency_numbers_always(
    field: Field,
) -> None:
    with LabGateway() as gateway, field.phone() as phone:
        line = factories.make_gateway(host="127.0.0.1", port=gateway.port)
        for prefix, category in (("+44", "national"), ("+4490", "premium"), ("112", "emergency")):
            factories.make_route(prefix, line, category=category)
        outbox.mark_store(field.site.store)
        field.give(field.of("ann"), "call_classes", ("national",))

        def call(user: str, number: str) -> int:
            login = field.login(user)
            return phone.invite(f"sip:{number}@{login.domain}", login).status

        assert call("ann", "+442079460000") == 200
        assert call("ann", "+449012345678") == 403
        assert call("bob", "+449012345678") == 200
        field.give(EVERYWHERE, "call_classes", ())
        assert call("bob", "+442079460000") == 403
        assert call("ann", "+442079460000") == 200
        assert call("bob", "112") == 200
