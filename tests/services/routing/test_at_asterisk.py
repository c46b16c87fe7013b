"""What the console keeps of routing and settings, pushed to a real Asterisk and proven by calls."""

from __future__ import annotations

import re

import pytest

from lab.gateway import Gateway
from lab.ports import HOST
from lab.sip import Login, SipClient
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.models import Route
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.standing import standing_at
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.routing.gateways import delete_gateway
from provisioning.services.routing.routes import delete_route
from provisioning.services.rules.sites import save_site
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import EVERYWHERE
from tests.factories import make_account, make_gateway, make_route, make_site
from tests.services.push.test_asterisk import DOMAIN, Place, place, running

__all__ = ["place", "running"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_calls_go_where_the_console_says_once_it_was_pushed(place: Place) -> None:
    with Gateway() as near, Gateway() as far:
        london = make_site()
        london.dial_rules = r"0([1-9]\d+) -> +44\1"
        save_site(site=london, actor=COMMAND_LINE)
        ann = make_account("Ann", user_part="ann", site=london)
        lines = [
            make_gateway(name, host=HOST, port=each.port, t38=t38)
            for name, each, t38 in (("Near", near, True), ("Far", far, False))
        ]
        make_route("+", lines[1], category="international")
        make_route("+44", *lines, category="national")
        make_route("112", lines[0], category="emergency")
        set_value(
            place=EVERYWHERE, setting=CATALOGUE["call_classes"], value=("national",),
            actor=COMMAND_LINE, approved=True,
        )  # fmt: skip
        place.manage()
        report = push_store(store_id=place.store.pk)
        assert (report.failed, report.left, report.problem) == (0, 0, "")

        secret = ann.credential.secret() or ""
        with SipClient(place.asterisk.sip_port) as phone:
            login = Login("ann", DOMAIN, secret, algorithm="MD5")

            def call(number: str) -> int:
                return phone.invite(f"sip:{number}@{DOMAIN}", login).status

            assert call("02079460000") == 200
            assert call("+33140000000") == 403
            assert call("112") == 200
            near.status = 503
            assert call("02079460000") == 200
        assert [each.uri.partition("@")[0] for each in near.calls] == [
            "sip:+442079460000", "sip:112", "sip:+442079460000",
        ]  # fmt: skip
        assert [each.uri.partition("@")[0] for each in far.calls] == ["sip:+442079460000"]

        for line, t38 in zip(lines, ("true", "false"), strict=True):
            told = place.asterisk.command(f"pjsip show endpoint rtcadmin-{line.number}")
            assert re.search(r"t38_udptl +: (\w+)", told)[1] == t38  # type: ignore[index]
        words = {each.kind.value: each.word for each in standing_at(place.server)}
        assert words["route"] == words["gateway"] == words["dial_rule"] == "unproven"

        # Pushed again, nothing changes; taken back, nothing stays.
        outbox.mark_store(place.store)
        assert push_store(store_id=place.store.pk).changed == 0
        for route in Route.objects.all():
            delete_route(route=route, actor=COMMAND_LINE)
        for line in lines:
            delete_gateway(gateway=line, actor=COMMAND_LINE)
        push_store(store_id=place.store.pk)
        assert (
            place.rows("SELECT category FROM rtcadmin_config WHERE category <> ''")
            == [(f"rtcadmin-dial-{london.pk}",)] * 2
        )
        with SipClient(place.asterisk.sip_port) as phone:
            assert phone.invite(f"sip:112@{DOMAIN}", login).status == 404
