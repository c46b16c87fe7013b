"""Who calls, as gateways are told it by a real Kamailio: asserted there, never by a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.gateway import Asked
from lab.gateway import Gateway as LabGateway
from lab.sip import SipClient
from provisioning.core.errors import InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.drivers.base import Kind
from provisioning.models import Account, Number, PendingChange
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.rules.sites import save_site
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE, Place
from tests import factories
from tests.push_site import Site
from tests.services.settings.field import Field

pytestmark = pytest.mark.django_db

ANN, MAIN, OTHER = "+442079460001", "+442079460000", "+442079460777"
DIALLED = "sip:+33140000000@voice.example.com"


def asserted(number: str) -> str:
    return f"<sip:{number}@voice.example.com;user=phone>"


def give_line(field: Field, *gateways: LabGateway) -> None:
    """Every number and the emergency number lead to the gateways, one after the other."""
    lines = [
        factories.make_gateway(f"Line {n}", host="127.0.0.1", port=each.port)
        for n, each in enumerate(gateways)
    ]
    factories.make_route("+", *lines)
    factories.make_route("112", *lines, category="emergency")
    outbox.mark_store(field.site.store)
    field.push()


def give_number(field: Field, user: str, number: str) -> None:
    Number.objects.create(e164=number, state=Number.State.ASSIGNED, account=field.accounts[user])


@pytest.fixture
def told(either_field: Field) -> Any:
    """Calls as ann and tells what the gateway was told; her number is ANN."""
    give_number(either_field, "ann", ANN)
    with LabGateway() as gateway, either_field.phone() as phone:
        give_line(either_field, gateway)

        def call(number: str = DIALLED, user: str = "ann", **headers: str) -> Asked:
            said = {name.replace("_", "-"): value for name, value in headers.items()}
            login = either_field.login(user)
            assert phone.invite(number, login, said).status == 200
            return gateway.calls[-1]

        yield call


Shown = tuple[list[str], str, list[str]]


def shown(asked: Asked) -> Shown:
    """Asserted identities, the URI of From, and Privacy."""
    sender = asked.headers["from"].partition("<")[2].partition(">")[0]
    return asked.all("p-asserted-identity"), sender, asked.all("privacy")


def test_a_gateway_is_shown_the_number_that_the_account_may_present(
    either_field: Field, told: Callable[..., Asked]
) -> None:
    own: Shown = ([asserted(ANN)], f"sip:{ANN}@voice.example.com;user=phone", [])
    assert shown(told()) == own
    # Without a number nothing is asserted.
    assert shown(told(user="bob")) == ([], "sip:bob@voice.example.com", [])
    london = factories.make_site()
    Account.objects.filter(user_part="ann").update(site=london)
    either_field.give(EVERYWHERE, "presented_number", "site")
    # As long as the site has none.
    assert shown(told()) == own
    london.main_number = MAIN
    save_site(site=london, actor=COMMAND_LINE)
    either_field.push()
    of_site: Shown = ([asserted(MAIN)], f"sip:{MAIN}@voice.example.com;user=phone", [])
    assert shown(told()) == of_site
    either_field.give(either_field.of("ann"), "presented_number", "own")
    assert shown(told()) == own


def test_what_is_withheld_is_asserted_to_the_gateway_and_kept_from_others(
    either_field: Field, told: Callable[..., Asked]
) -> None:
    hidden = ([asserted(ANN)], "sip:anonymous@anonymous.invalid", ["id"])
    # For one call the phone may ask for it.
    assert shown(told(Privacy="id")) == hidden
    either_field.give(either_field.of("ann"), "presented_number", "withheld")
    asked = told()
    assert shown(asked) == hidden
    assert asked.headers["from"].startswith("Anonymous ")
    assert "ann" not in asked.headers["from"]
    # Emergency services are shown who calls.
    emergency = told("sip:112@voice.example.com", Privacy="id")
    assert shown(emergency) == ([asserted(ANN)], f"sip:{ANN}@voice.example.com;user=phone", [])


def test_a_phone_asserts_nothing_but_the_numbers_that_its_account_may(
    either_field: Field, told: Callable[..., Asked]
) -> None:
    lies = {
        "P_Asserted_Identity": f"<sip:{OTHER}@voice.example.com>",
        "P_Preferred_Identity": f"<sip:{OTHER}@voice.example.com>",
        "Remote_Party_ID": f"<sip:{OTHER}@voice.example.com>",
    }
    for value, number in (
        ((), ANN),
        (("+4420794602",), ANN),
        (("+331", "+442079460"), OTHER),
        (("+",), OTHER),
    ):
        either_field.give(either_field.of("ann"), "asserted_numbers", value)
        asked = told(**lies)
        assert shown(asked)[0] == [asserted(number)]
        assert asked.all("p-preferred-identity") == asked.all("remote-party-id") == []
    # Wrong ones are as none.
    for preferred in ("<sip:carol@voice.example.com>", "+4420", f"<tel:{OTHER};x=1>"):
        asked = told(P_Preferred_Identity=preferred)
        assert shown(asked)[0] == [asserted(OTHER if preferred.startswith("<tel") else ANN)]


def test_the_next_gateway_is_told_the_same_and_the_phone_sees_its_own_address(
    either_field: Field,
) -> None:
    give_number(either_field, "ann", ANN)
    with LabGateway(503) as first, LabGateway() as second, either_field.phone() as phone:
        give_line(either_field, first, second)
        answer = phone.invite(DIALLED, either_field.login("ann"))
        assert answer.status == 200
        assert "sip:ann@voice.example.com" in answer.headers["from"]
        (one,), (other,) = first.calls, second.calls
        assert shown(one) == shown(other)
        assert shown(other)[0] == [asserted(ANN)]


def test_a_trusted_host_speaks_for_itself_and_phones_are_not_told_what_is_private(
    either_field: Field,
) -> None:
    said = {"P-Asserted-Identity": f"<sip:{OTHER}@pbx.example>"}
    port = either_field.kamailio.sip_port
    factories.make_trusted_host("127.0.0.31/32", "authenticated")
    factories.make_trusted_host("127.0.0.32/32", "inbound")
    with LabGateway() as gateway, SipClient(port, source="127.0.0.31") as pbx:
        give_line(either_field, gateway)
        assert pbx.invite(DIALLED, headers=said).status == 200
        assert gateway.calls[-1].all("p-asserted-identity") == [f"<sip:{OTHER}@pbx.example>"]
    with (
        either_field.answering("bob") as bob,
        SipClient(port, source="127.0.0.32") as carrier,
    ):
        for privacy in ({}, {"Privacy": "id"}):
            assert carrier.invite("sip:bob@voice.example.com", None, said | privacy).status == 200
        identities = [call.all("p-asserted-identity") for call in bob.calls]
        assert identities == [[f"<sip:{OTHER}@pbx.example>"], []]


def test_main_numbers_are_at_servers_only_while_somebody_presents_them(site: Site) -> None:
    london = factories.make_site()
    london.main_number = MAIN
    save_site(site=london, actor=COMMAND_LINE)
    ann = factories.make_account(user_part="ann", pool=site.store.pool, site=london)
    outbox.mark_store(site.store)
    site.push()

    def held() -> tuple[list[Any], list[Any]]:
        site.push()
        assert site.pending() == set()
        return (
            site.rows("SELECT key_name, key_value FROM htable ORDER BY key_name"),
            site.rows("SELECT attribute, value FROM usr_preferences ORDER BY attribute"),
        )

    assert held() == ([], [])

    def give(value: str | None) -> None:
        setting = CATALOGUE["presented_number"]
        place = Place(SettingScope.ACCOUNT, ann)
        set_value(place=place, setting=setting, value=value, actor=COMMAND_LINE)

    give("site")
    row = (f"main_number_of_{london.pk}", MAIN)
    assert held() == ([row], [("presented_number", "site"), ("site", str(london.pk))])
    london.main_number = OTHER
    save_site(site=london, actor=COMMAND_LINE)
    assert site.pending() == {row[0]}
    assert held()[0] == [(row[0], OTHER)]
    give(None)
    assert held() == ([], [])
    assert not PendingChange.objects.filter(kind=Kind.SETTING).exists()


@pytest.mark.parametrize("text", ["44", "+0", "+44x", "+4420794600001234", "sip:+44@x.example"])
def test_what_is_no_beginning_of_numbers_is_no_number_to_assert(text: str) -> None:
    with pytest.raises(InvalidInput, match="not the beginning of numbers"):
        CATALOGUE["asserted_numbers"].type.read(text)
