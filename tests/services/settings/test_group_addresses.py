"""Group addresses: kept, and proven by calls that a PBX beside a real Kamailio gets."""

from __future__ import annotations

import pytest

from lab.gateway import Gateway as LabGateway
from lab.sip import SipClient
from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import Account, GroupAddress, Number, NumberRange
from provisioning.services.accounts.addresses import check_free
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.numbers.numbers import set_number_state
from provisioning.services.push import outbox
from provisioning.services.routing.group_addresses import (
    delete_group_address,
    save_group_address,
)
from provisioning.services.routing.ways import find_way
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests import factories
from tests.services.settings.field import Field

pytestmark = pytest.mark.django_db

NUMBER = "+442079460100"
STATES = Number.State


def a_group(**values: object) -> GroupAddress:
    given = {"name": "Support", "user_part": "support", "target": "sip:600@pbx.example.com"}
    return GroupAddress(**{**given, "domain": factories.make_domain(), **values})


def save(group: GroupAddress) -> GroupAddress:
    save_group_address(group=group, actor=COMMAND_LINE)
    return group


def test_a_group_is_called_by_its_number_and_its_sip_uri_from_inside_and_outside(
    either_field: Field,
) -> None:
    field = either_field
    with LabGateway() as pbx, field.phone() as phone:
        group = save(a_group(number="+44 20 7946 0100", target=f"sip:600@127.0.0.1:{pbx.port}"))
        factories.make_trusted_host("127.0.0.51/32", "inbound")
        outbox.mark_store(field.site.store)
        field.push()
        for to in ("support", NUMBER):
            uri = f"sip:{to}@voice.example.com"
            assert phone.invite(uri, field.login("ann")).status == 200
        with SipClient(field.kamailio.sip_port, source="127.0.0.51") as carrier:
            assert carrier.invite(f"sip:{NUMBER}@127.0.0.1:{field.kamailio.sip_port}").status == 200
        assert [call.uri for call in pbx.calls] == [f"sip:600@127.0.0.1:{pbx.port}"] * 3
        told = [call.all("p-asserted-identity") for call in pbx.calls]
        assert told == [["<sip:ann@voice.example.com>"]] * 2 + [[]]
        # A call that bob forwards there says so.
        field.give(field.of("bob"), "forward_always", NUMBER)
        assert phone.invite("sip:bob@voice.example.com", field.login("ann")).status == 200
        assert pbx.calls[-1].all("diversion")
        # Nobody gets anywhere by writing such an address himself.
        beside = f"sip:600@127.0.0.1:{pbx.port}"
        assert phone.invite(beside, field.login("ann")).status == 403
        delete_group_address(group=group, actor=COMMAND_LINE)
        field.push()
        assert phone.invite("sip:support@voice.example.com", field.login("ann")).status == 404
        assert len(pbx.calls) == 4
    assert field.site.rows("SELECT alias_username FROM dbaliases") == []


def test_a_number_is_the_group_s_as_long_as_it_has_it() -> None:
    free = Number.objects.create(e164=NUMBER)
    group = save(a_group(number=NUMBER))
    assert group.target == "sip:600@pbx.example.com:5060"
    free.refresh_from_db()
    assert (free.state, free.note) == (STATES.USED_ELSEWHERE, "Leads to a group address")
    assert find_way(dialled=NUMBER, rules="").account == "support@voice.example.com"
    with pytest.raises(InvalidInput, match="leads to the group address Support"):
        set_number_state(number=free, state=STATES.FREE, actor=COMMAND_LINE)
    group.number = "+442079460101"
    save(group)
    states = dict(Number.objects.values_list("e164", "state"))
    assert states == {NUMBER: STATES.FREE, "+442079460101": STATES.USED_ELSEWHERE}
    delete_group_address(group=group, actor=COMMAND_LINE)
    assert set(Number.objects.values_list("state", flat=True)) == {STATES.FREE}


def test_numbers_and_addresses_of_others_are_refused_in_both_directions() -> None:
    ann = factories.make_account(user_part="ann")
    Number.objects.create(e164=NUMBER, state=STATES.ASSIGNED, account=ann)
    Number.objects.create(e164="+442079460102", state=STATES.QUARANTINED)
    NumberRange.objects.create(
        name="HQ", first="+442079460200", last="+442079460299", authority="directory"
    )
    for number, why in (
        (NUMBER, "belongs to"),
        ("+442079460102", "quarantined"),
        ("+442079460250", "the directory says who has the numbers of HQ"),
    ):
        with pytest.raises(InvalidFields, match=why):
            save(a_group(number=number))
    with pytest.raises(InvalidFields, match="belongs to"):
        save(a_group(user_part="ann"))
    assert not GroupAddress.objects.exists()
    save(a_group())
    with pytest.raises(InvalidInput, match="Another group address has this SIP URI"):
        save(a_group(name="Again"))
    taken = Account(
        domain=factories.make_domain(), user_part="support", aor="support@voice.example.com"
    )
    with pytest.raises(InvalidFields, match="that of the group address Support"):
        check_free(taken)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("sip:600@voice.example.com", "is a SIP domain here"),
        ("600", "is not a SIP URI such as"),
        ("tel:+4420", "is not a SIP URI such as"),
        ("sip:a b@pbx.example.com", "user part"),
        ("sip:600@pbx.example.com:0", "host with its port"),
        ("sip:600@" + "a" * 60 + ":5060", "longer than 64"),
    ],
)
def test_a_target_is_a_sip_uri_at_another_host(target: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        save(a_group(target=target))


def test_calls_may_be_forwarded_to_a_group_whatever_its_number_would_cost() -> None:
    ann = factories.make_account(user_part="ann")
    factories.make_route("+44", category="premium")
    place = Place(SettingScope.ACCOUNT, ann)
    setting = CATALOGUE["call_classes"]
    set_value(place=place, setting=setting, value=("national",), actor=COMMAND_LINE)
    busy = CATALOGUE["forward_busy"]
    with pytest.raises(InvalidInput, match="may not call premium"):
        set_value(place=place, setting=busy, value=NUMBER, actor=COMMAND_LINE)
    save(a_group(number=NUMBER))
    set_value(place=place, setting=busy, value=NUMBER, actor=COMMAND_LINE)
