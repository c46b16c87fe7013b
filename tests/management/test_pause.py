"""`pause`: told, begun and ended; nothing without --apply."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import AuditEvent
from provisioning.services.push.pause import is_paused

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("pause", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as ended:
        run(*arguments)
    assert ended.value.returncode == 1
    return str(ended.value)


def test_it_begins_and_ends_with_apply() -> None:
    assert "Pushes are not paused." in run()
    assert "Nothing was changed" in run("--begin", "--reason", "Storage moves")
    assert not is_paused()
    said = run("--begin", "--reason", "Storage moves", "--apply")
    assert "by command line: Storage moves." in said
    assert is_paused()
    told = json.loads(run("--json"))
    assert (told["paused"], told["by"], told["reason"]) == (True, "command line", "Storage moves")
    assert "paused already" in refused("--begin", "--reason", "again", "--apply")
    assert "Nothing was changed" in run("--end")
    assert is_paused()
    assert "Pushes are not paused." in run("--end", "--apply")
    assert [event.actor_name for event in AuditEvent.objects.all()] == ["command line"] * 2


def test_what_is_refused_is_said() -> None:
    assert "Say why" in refused("--begin", "--apply")
    assert "Pushes are not paused. Nothing was changed." in refused("--end", "--apply")
    assert not is_paused()
