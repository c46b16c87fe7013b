"""alerts as it is called."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import Alert, SipServer
from tests.services.alerts.test_alerts import make_server

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("alerts", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_what_is_wrong_is_the_exit_code_until_somebody_knows() -> None:
    assert "Nothing is wrong" in run()
    make_server(health="down", health_problem="Silence")
    with pytest.raises(CommandError) as raised:
        run()
    assert raised.value.returncode == 1
    alert = Alert.objects.get()
    assert "Known to somebody: On it" in run("--acknowledge", alert.pk, "--note", "On it")
    [said] = json.loads(run("--json"))["alerts"]
    assert (said["id"], said["kind"], said["acknowledged"]) == (alert.pk, "server-down", True)
    SipServer.objects.update(health="up")
    assert "does not answer" in run("--kept")
    assert "Nothing is wrong" in run()


def test_a_note_that_is_too_long_is_refused() -> None:
    make_server(health="down")
    with pytest.raises(CommandError) as raised:
        run("--acknowledge", 1, "--note", "x" * 201)
    assert raised.value.returncode == 2
