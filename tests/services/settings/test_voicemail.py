"""Calls to mailboxes and waiting messages, at a real Kamailio with a voicemail server beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.gateway import Asked
from lab.gateway import Gateway as LabGateway
from lab.sip import SipClient
from provisioning.core.errors import InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.services.push import outbox
from provisioning.services.settings.places import EVERYWHERE
from tests import factories
from tests.services.settings.field import Field
from tests.services.settings.test_forwarding import call, diversions

pytestmark = pytest.mark.django_db

BOB = "sip:bob@voice.example.com"
SUMMARY = {"Event": "message-summary", "Contact": "<sip:127.0.0.1:9>", "Expires": "600"}


@pytest.fixture
def mailboxes(either_field: Field) -> Iterator[LabGateway]:
    """A voicemail server for everybody; bob has voicemail, ann has none."""
    with LabGateway() as server:
        either_field.give(EVERYWHERE, "voicemail_server", f"127.0.0.1:{server.port}")
        either_field.give(either_field.of("bob"), "voicemail", True)
        yield server


def reached(asked: Asked) -> tuple[str, list[str], list[str]]:
    """The mailbox with its cause, who diverted, who calls."""
    mailbox = asked.uri.partition("@")[0] + asked.uri.partition("@")[2].partition(";")[2]
    return mailbox, diversions(asked), asked.all("p-asserted-identity")


ANN_CALLS = ["<sip:ann@voice.example.com>"]


def test_a_call_goes_to_the_mailbox_with_its_reason(
    either_field: Field, mailboxes: LabGateway
) -> None:
    assert call(either_field).status == 200
    with either_field.answering("bob", 486):
        assert call(either_field).status == 200
    absent, busy = mailboxes.calls
    said = f"<{BOB}>;reason="
    assert reached(absent) == ("sip:bobcause=503", [said + "unavailable"], ANN_CALLS)
    assert reached(busy) == ("sip:bobcause=486", [said + "user-busy"], ANN_CALLS)


def test_a_call_that_nobody_answers_goes_to_the_mailbox_after_the_time(
    either_field: Field, mailboxes: LabGateway
) -> None:
    either_field.give(either_field.of("bob"), "forward_after", 5)
    with (
        either_field.answering("bob", None, rings=True),
        SipClient(either_field.kamailio.sip_port, timeout=15) as phone,
    ):
        assert phone.invite(BOB, either_field.login("ann")).status == 200
    (asked,) = mailboxes.calls
    assert reached(asked)[0] == "sip:bobcause=408"


def test_forwarding_comes_before_the_mailbox_and_without_voicemail_there_is_none(
    either_field: Field, mailboxes: LabGateway
) -> None:
    either_field.give(either_field.of("bob"), "forward_unreachable", "sip:ann@voice.example.com")
    with either_field.answering("ann") as ann:
        assert call(either_field).status == 200
        assert len(ann.calls) == 1
    assert call(either_field, "ann", "bob").status == 408
    assert mailboxes.calls == []
    # Whom the call was forwarded to has a mailbox of his own.
    either_field.give(either_field.of("ann"), "voicemail", True)
    assert call(either_field).status == 200
    (asked,) = mailboxes.calls
    assert asked.uri.startswith("sip:ann@")
    assert [each.partition(";")[2] for each in diversions(asked)] == ["reason=unavailable"] * 2


def test_who_calls_himself_hears_his_messages(either_field: Field, mailboxes: LabGateway) -> None:
    with either_field.answering("bob") as bob:
        assert call(either_field, "bob", "bob").status == 200
        (asked,) = mailboxes.calls
        assert reached(asked) == ("sip:bob", [], [f"<{BOB}>"])
        assert bob.calls == []


def test_waiting_messages_are_asked_for_and_told(
    either_field: Field, mailboxes: LabGateway
) -> None:
    def ask(user: str, of: str) -> int:
        with either_field.phone() as phone:
            uri = f"sip:{of}@voice.example.com"
            login = either_field.login(user)
            return phone.request("SUBSCRIBE", uri, uri, login, SUMMARY).status

    assert ask("bob", "bob") == 200
    (asked,) = [each for each in mailboxes.asked if each.method == "SUBSCRIBE"]
    assert asked.uri.startswith("sip:bob@127.0.0.1")
    assert asked.all("p-asserted-identity") == [f"<{BOB}>"]
    assert ask("ann", "bob") == 403
    assert ask("ann", "ann") == 404

    factories.make_trusted_host("127.0.0.43/32", "inbound")
    outbox.mark_store(either_field.site.store)
    either_field.push()
    told = {"Event": "message-summary", "Subscription-State": "active"}
    port = either_field.kamailio.sip_port
    with either_field.answering("bob") as bob:
        with SipClient(port, source="127.0.0.43") as server:
            said = server.request("NOTIFY", BOB, BOB, None, told, "Messages-Waiting: yes\r\n")
            assert said.status == 200
        with either_field.phone() as phone:
            login = either_field.login("ann")
            assert phone.request("NOTIFY", BOB, BOB, login, told).status == 403
        assert [each.method for each in bob.asked] == ["NOTIFY"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Voicemail.Example.com", "voicemail.example.com"),
        ("10.0.0.9:5060;transport=TCP", "10.0.0.9:5060;transport=tcp"),
        ("[2001:db8::9]:5061;transport=tls", "[2001:db8::9]:5061;transport=tls"),
        ("", ""),
        ("sip:vm.example.com", None),
        ("vm.example.com;transport=sctp", None),
        ("vm.example.com;cause=1", None),
        ("bob@vm.example.com", None),
        ("vm.example.com:", None),
    ],
)
def test_a_voicemail_server_is_a_host_with_what_leads_there(text: str, kept: str | None) -> None:
    kind = CATALOGUE["voicemail_server"].type
    if kept is None:
        with pytest.raises(InvalidInput):
            kind.read(text)
    else:
        assert kind.read(text) == kept
