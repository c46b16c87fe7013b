"""Routes & trunks on a narrow screen: what a route is about is still there."""

from __future__ import annotations

from provisioning.models import TrustedHost
from tests.browser.console import NARROW, Console
from tests.factories import make_gateway, make_route, make_trusted_host


def test_a_narrow_screen_keeps_numbers_trunks_and_treatments(signed_in: Console) -> None:
    make_route("+4420", make_gateway(registers=True), name="Londoners")
    make_trusted_host(treatment=TrustedHost.Treatment.INBOUND)
    signed_in.resize(NARROW)
    signed_in.open("/routes/")
    for text in ("+4420", "acme@carrier.example", "Inbound: may call accounts only"):
        assert text in signed_in.text
    assert signed_in.overflow() + signed_in.squeezed() == []
