"""registrations as it is called."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from lab.kamailio import Kamailio
from lab.sip import Login, SipClient
from provisioning.models import RegisteredContact
from provisioning.services.push import outbox
from tests.factories import make_account
from tests.lab.fixtures import authority
from tests.push_site import Site, make_server, new_kamailio, new_lab, new_site, quick, site

__all__ = ["authority", "new_kamailio", "new_lab", "new_site", "quick", "site"]

pytestmark = pytest.mark.django_db(transaction=True)

ANN = "ann@voice.example.com"


@pytest.fixture
def kamailio(site: Site, new_kamailio: Callable[..., Kamailio]) -> Kamailio:
    kamailio = new_kamailio(site)
    make_server(site, kamailio)
    account = make_account("Ann", user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    secret = account.credential.secret()
    assert secret is not None
    with SipClient(kamailio.sip_port) as client:
        assert client.register(Login("ann", "voice.example.com", secret)).status == 200
    return kamailio


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("registrations", *arguments, stdout=out)
    return out.getvalue()


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_registrations_are_read_and_printed_for_machines(site: Site, kamailio: Kamailio) -> None:
    found = read()
    (store,), (row,) = found["stores"], found["registrations"]
    assert (store["store"], store["available"], store["count"]) == (site.store.name, True, 1)
    assert (row["aor"], row["account"], row["transport"]) == (ANN, "Ann", "udp")
    assert read("--of", "sip:nobody@voice.example.com")["registrations"] == []
    assert ANN in run("--kept")


def test_a_registration_is_ended_only_with_apply(kamailio: Kamailio) -> None:
    assert "1 would be ended" in run("--of", ANN, "--end")
    assert kamailio.rpc("ul.lookup", ["location", ANN])
    assert "1 ended" in run("--of", f"sip:{ANN}", "--end", "--apply")
    assert not RegisteredContact.objects.exists()
    assert read()["registrations"] == []
    with pytest.raises(CommandError, match="needs --of"):
        run("--end")


def test_a_list_that_is_not_available_is_an_exit_code(site: Site, kamailio: Kamailio) -> None:
    run()
    site.store.database += ".gone"
    site.store.save()
    with pytest.raises(CommandError) as raised:
        run()
    assert raised.value.returncode == 2
