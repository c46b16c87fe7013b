"""The command `settings`: dry unless told otherwise, for people and for machines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import SettingValue
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("settings", *arguments)
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def test_every_setting_of_a_place_is_listed_with_its_origin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    factories.make_pool("Berlin")
    run(capsys, "set", "max_devices", "3", "--at", "pool:Berlin", "--apply")
    listed = told(capsys, "list", "--at", "pool:Berlin")
    (devices,) = [each for each in listed if each["key"] == "max_devices"]
    assert (devices["value"], devices["origin"]) == (3, "pool Berlin")
    assert "max_devices" in run(capsys, "list")


def test_a_change_is_dry_until_it_is_applied(capsys: pytest.CaptureFixture[str]) -> None:
    factories.make_account(user_part="ann")
    at = ("--at", "account:ann@voice.example.com")
    dry = told(capsys, "set", "messaging", "off", *at)
    assert (dry["dry"], dry["value"], dry["before"], dry["accounts"]) == (True, False, True, 1)
    assert not SettingValue.objects.exists()
    assert told(capsys, "set", "messaging", "off", *at, "--apply")["dry"] is False
    assert run(capsys, "get", "messaging", *at) == "off\n"
    assert "beats" not in run(capsys, "explain", "messaging", *at)
    run(capsys, "unset", "messaging", *at, "--apply")
    assert told(capsys, "explain", "messaging", *at)["origin"] == "default"


def test_what_passes_a_limit_is_told_and_needs_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        factories.make_account(f"Room {n}")
    with pytest.raises(CommandError, match="add --approve") as refused:
        run(capsys, "set", "remote_access", "off", "--apply")
    assert refused.value.returncode == 2
    assert "loss of service, 3 planned" in capsys.readouterr().out
    assert not SettingValue.objects.exists()
    run(capsys, "set", "remote_access", "off", "--apply", "--approve")
    assert SettingValue.objects.get().value is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("get", "colour"), "is not a setting"),
        (("set", "max_devices"), "Give the value: 1 to 100 devices"),
        (("set", "max_devices", "many"), "does not fit"),
        (("list", "--at", "pool:Nowhere"), "none is called"),
        (("list", "--at", "planet:Mars"), "no scope"),
        (("set", "min_expires", "60", "--at", "domain:voice.example.com"), "its places are"),
    ],
)
def test_what_cannot_be_is_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    factories.make_domain()
    with pytest.raises(CommandError, match=said):
        run(capsys, *arguments, "--apply")
    assert not SettingValue.objects.exists()
