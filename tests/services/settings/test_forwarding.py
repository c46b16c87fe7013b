"""Calls that go on to somebody else, at a real Kamailio: when, where to, and who pays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.gateway import Asked
from lab.gateway import Gateway as LabGateway
from lab.process import wait_until
from lab.sip import Response, SipClient
from provisioning.core.errors import InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import Account, AuditEvent, Number
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE, Place
from tests import factories
from tests.services.settings.field import Field

pytestmark = pytest.mark.django_db

BOB, DESK = "+442079460002", "+442079460009"
MOBILE, PREMIUM = "+447700900123", "+449012345678"


@pytest.fixture
def field(either_field: Field) -> Field:
    """Also with dan, who stands at a desk; bob and dan have numbers."""
    field = either_field
    field.accounts["dan"] = factories.make_account(
        "dan", user_part="dan", pool=field.site.store.pool
    )
    for user, number in (("bob", BOB), ("dan", DESK)):
        account = field.accounts[user]
        Number.objects.create(e164=number, state=Number.State.ASSIGNED, account=account)
    outbox.mark_store(field.site.store)
    field.push()
    return field


@contextmanager
def lines(field: Field) -> Iterator[LabGateway]:
    """A gateway to mobile and premium numbers."""
    with LabGateway() as gateway:
        line = factories.make_gateway(host="127.0.0.1", port=gateway.port)
        factories.make_route("+44", line, category="mobile")
        factories.make_route("+4490", line, category="premium")
        outbox.mark_store(field.site.store)
        field.push()
        yield gateway


def call(field: Field, to: str = "bob", user: str = "ann") -> Response:
    with field.phone() as phone:
        return phone.invite(f"sip:{to}@voice.example.com", field.login(user))


def diversions(asked: Asked) -> list[str]:
    """Who forwarded the call, and why, the last first."""
    return [value.removesuffix(";counter=1") for value in asked.all("diversion")]


def by(user: str, reason: str) -> str:
    number = {"bob": BOB, "dan": DESK}.get(user)
    uri = (
        f"sip:{number}@voice.example.com;user=phone" if number else f"sip:{user}@voice.example.com"
    )
    return f"<{uri}>;reason={reason}"


def test_all_calls_go_to_another_account_and_its_own_phones_do_not_ring(field: Field) -> None:
    field.give(field.of("bob"), "forward_always", DESK)
    with field.answering("bob") as bob, field.answering("dan") as dan:
        for to in ("bob", BOB):
            assert call(field, to).status == 200
        assert bob.calls == []
        assert [diversions(each) for each in dan.calls] == [[by("bob", "unconditional")]] * 2
        assert "ann@voice.example.com" in dan.calls[0].headers["from"]
        field.give(field.of("bob"), "forward_always", "sip:ann@voice.example.com")
        assert call(field).status == 404
        # Messages are not calls.
        assert field.write("ann", "bob@voice.example.com").status == 200


@pytest.mark.parametrize("busy", [486, 600, 603])
def test_a_call_goes_on_when_the_phone_is_busy(field: Field, busy: int) -> None:
    field.give(field.of("bob"), "forward_busy", "sip:dan@voice.example.com")
    with field.answering("bob", busy) as bob, field.answering("dan") as dan:
        assert call(field).status == 200
        assert len(bob.calls) == 1
        assert diversions(dan.calls[0]) == [by("bob", "user-busy")]


def test_a_call_goes_on_when_nobody_answers_for_as_long_as_it_is_set(field: Field) -> None:
    field.give(field.of("bob"), "forward_no_answer", DESK)
    field.give(field.of("bob"), "forward_after", 5)
    with (
        field.answering("bob", None, rings=True) as bob,
        field.answering("dan") as dan,
        SipClient(field.kamailio.sip_port, timeout=15) as phone,
    ):
        began = time.monotonic()
        assert phone.invite("sip:bob@voice.example.com", field.login("ann")).status == 200
        assert time.monotonic() - began > 4.5
        assert diversions(dan.calls[0]) == [by("bob", "no-answer")]
        wait_until(
            lambda: "CANCEL" in [each.method for each in bob.asked],
            timeout=15, what="the phone rings no longer",
        )  # fmt: skip


def test_a_call_goes_on_when_no_phone_is_registered_or_none_answers_at_all(field: Field) -> None:
    field.give(field.of("bob"), "forward_unreachable", DESK)
    with field.answering("dan") as dan:
        assert call(field).status == 200
        with field.answering("bob", None) as bob:
            assert call(field).status == 200
            assert bob.calls
            # Nothing is said about busy phones.
            bob.status = 486
            assert call(field).status == 486
        reasons = [diversions(each) for each in dan.calls]
        assert reasons == [[by("bob", "unavailable")]] * 2


def test_a_forwarded_call_leaves_as_the_account_that_forwards_it_may_call(field: Field) -> None:
    with lines(field) as gateway:
        field.give(field.of("bob"), "forward_always", MOBILE)
        # The caller may not call mobiles; bob may, and he pays.
        field.give(field.of("ann"), "call_classes", ("national",))
        assert call(field).status == 200
        assert diversions(gateway.calls[0]) == [by("bob", "unconditional")]
        assert gateway.calls[0].uri.startswith(f"sip:{MOBILE}@")
        factories.make_trusted_host("127.0.0.41/32", "inbound")
        outbox.mark_store(field.site.store)
        field.push()
        with SipClient(field.kamailio.sip_port, source="127.0.0.41") as carrier:
            assert carrier.invite(f"sip:{BOB}@voice.example.com").status == 200
            # Only forwarded calls leave again.
            assert carrier.invite(f"sip:{MOBILE}@voice.example.com").status == 404
        field.give(field.of("bob"), "call_classes", ("national",))
        field.give(field.of("ann"), "call_classes", None)
        assert call(field).status == 403
        assert len(gateway.calls) == 2


def test_a_call_that_is_busy_goes_out_by_the_next_gateway_as_any_other(field: Field) -> None:
    with lines(field) as gateway, field.answering("bob", 486):
        field.give(field.of("bob"), "forward_busy", MOBILE)
        assert call(field).status == 200
        assert diversions(gateway.calls[0]) == [by("bob", "user-busy")]


def test_forwarding_in_a_circle_ends(field: Field) -> None:
    field.give(field.of("bob"), "forward_always", DESK)
    field.give(field.of("dan"), "forward_always", "sip:bob@voice.example.com")
    answer = call(field)
    assert (answer.status, answer.reason) == (482, "Forwarded Too Often")
    # What other servers have forwarded counts.
    field.give(field.of("dan"), "forward_always", None)
    factories.make_trusted_host("127.0.0.42/32", "authenticated")
    outbox.mark_store(field.site.store)
    field.push()
    with (
        field.answering("dan") as dan,
        SipClient(field.kamailio.sip_port, source="127.0.0.42") as pbx,
    ):
        for earlier, status in ((4, 200), (5, 482)):
            told = {f"Diversion: <sip:x{n}@pbx.example>\r\nX-{n}": "1" for n in range(earlier)}
            assert pbx.invite("sip:bob@voice.example.com", None, told).status == status
        assert len(diversions(dan.calls[0])) == 5


def test_a_chain_of_forwards_names_everybody_and_one_may_take_back_what_all_have(
    field: Field,
) -> None:
    field.give(EVERYWHERE, "forward_unreachable", DESK)
    field.give(field.of("bob"), "forward_unreachable", "sip:ann@voice.example.com")
    with field.answering("dan") as dan:
        assert call(field, user="dan").status == 200
        assert diversions(dan.calls[0]) == [by("ann", "unavailable"), by("bob", "unavailable")]
        field.give(field.of("bob"), "forward_unreachable", "")
        assert call(field).status == 404
        # Numbers and addresses of nobody do not become everybody's.
        for nobody in ("nobody", MOBILE):
            assert call(field, nobody).status == 404
        assert len(dan.calls) == 1


def forwards(place: Place, target: str, key: str = "forward_busy") -> None:
    value = CATALOGUE[key].type.read(target)
    set_value(place=place, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE)


def test_a_target_that_the_account_may_not_call_is_refused_when_it_is_saved() -> None:
    ann = factories.make_account(user_part="ann", site=factories.make_site())
    Number.objects.create(e164=BOB, state=Number.State.ASSIGNED, account=ann)
    factories.make_route("+44", category="national")
    factories.make_route("+4490", category="premium", site=ann.site)
    place = Place(SettingScope.ACCOUNT, ann)
    forwards(place, PREMIUM)
    classes = CATALOGUE["call_classes"]
    set_value(place=EVERYWHERE, setting=classes, value=("national",), actor=COMMAND_LINE)
    federation = CATALOGUE["federation"]
    set_value(place=place, setting=federation, value=False, actor=COMMAND_LINE)
    for target, why in (
        (PREMIUM, "may not call premium numbers"),
        ("sip:x@partner.example", "may not reach other SIP domains"),
        (BOB, "would come back"),
        ("sip:ann@voice.example.com", "would come back"),
    ):
        with pytest.raises(InvalidInput, match=why):
            forwards(place, target, "forward_no_answer")
    # The route is that of the site; elsewhere these are national numbers.
    forwards(EVERYWHERE, PREMIUM)
    for target in (MOBILE, "+44 20 7946 0777", "sip:bob@voice.example.com", ""):
        forwards(place, target, "forward_always")
    event = AuditEvent.objects.latest("pk")
    assert event.detail["Forward all calls"] == ["sip:bob@voice.example.com", "Not forwarded"]
    assert Account.objects.get(pk=ann.pk).settingvalue_set.filter(key="forward_always").exists()


@pytest.mark.parametrize("text", ["112", "020 7946", "sip:x", "tel:112", "sips:a@b.example"])
def test_what_is_neither_a_number_nor_a_sip_uri_is_no_target(text: str) -> None:
    with pytest.raises(InvalidInput):
        CATALOGUE["forward_always"].type.read(text)
