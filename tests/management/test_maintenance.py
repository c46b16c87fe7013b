"""maintenance as it is called."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.services.alerts.test_alerts import make_server

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("maintenance", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_maintenance_is_begun_and_ended_only_with_apply() -> None:
    server = make_server()
    for name in (["Frankfurt"], ["sip1", "--server"]):
        begin = [*name, "--reason", "Upgrade", "--hours", "3"]
        assert "would begin for 3 hours" in run(*begin)
        assert "Nothing is in maintenance" in run()
        assert f"{name[0]}: until" in run(*begin, "--apply")
        [said] = json.loads(run("--json"))["maintenance"]
        assert said["reason"] == "Upgrade"
        assert "would end" in run(*name, "--end")
        assert "Nothing is in maintenance" in run(*name, "--end", "--apply")
    server.refresh_from_db()
    assert not server.in_maintenance


def test_what_is_not_there_or_without_a_reason_is_refused() -> None:
    make_server()
    with pytest.raises(CommandError, match="no pool Nowhere"):
        run("Nowhere")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("Frankfurt", "--apply")
