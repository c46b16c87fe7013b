"""First start: the token that this machine printed makes the first console user, once."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from provisioning.core.errors import Rejected
from provisioning.models import AuditEvent, ConsoleUser
from provisioning.services.console import console_users, setup
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data(settings: Any, tmp_path: Path) -> Path:
    settings.DATA = tmp_path
    return tmp_path


def printed_token() -> str:
    out = io.StringIO()
    call_command("setup_token", stdout=out)
    return out.getvalue().strip()


def fill_in(client: Client, **values: str) -> Any:
    given = {
        "token": printed_token(), "username": "ada", "name": "Ada", "password": PASSWORD,
        "repeated": PASSWORD,
    }  # fmt: skip
    return client.post("/setup/", given | values)


def test_without_a_console_user_every_page_leads_to_the_setup() -> None:
    client = Client()
    answer = client.get("/audit/", follow=True)
    assert answer.redirect_chain[-1][0] == "/setup/"
    assert "Setup token" in answer.content.decode()


def test_the_token_is_kept_for_its_owner_alone_and_stays_the_same(data: Path) -> None:
    token = printed_token()
    file = data / "secrets" / "setup-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) >= 43
    assert printed_token() == token == file.read_text().strip()


def test_the_token_makes_the_first_administrator_and_is_used_up(
    data: Path, django_capture_on_commit_callbacks: Any
) -> None:
    client = Client()
    with django_capture_on_commit_callbacks(execute=True):
        answer = fill_in(client)
    assert answer["Location"] == "/"
    user = ConsoleUser.objects.get()
    assert (user.username, user.role, user.may_export_secrets) == ("ada", "administrator", True)
    assert client.get("/administration/").status_code == 200
    assert not (data / "secrets" / "setup-token").exists()
    assert AuditEvent.objects.get(action="created console user").actor_name == "first start"
    assert Client().get("/setup/").status_code == 404
    assert Client().post("/setup/", {"token": "x"}).status_code == 404
    with pytest.raises(CommandError):
        printed_token()


def test_a_wrong_token_makes_nobody_and_after_five_one_has_to_wait() -> None:
    client = Client()
    answers = [fill_in(client, token=f"guess {n}").status_code for n in range(5)]
    assert answers == [422] * 4 + [429]
    assert fill_in(client).status_code == 429
    assert not ConsoleUser.objects.exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"password": "short", "repeated": "short"}, "too short"),
        ({"repeated": PASSWORD + "!"}, "The two passwords differ."),
        ({"username": "ada@corp"}, "A user name has up to 64"),
        ({"username": "\N{CYRILLIC SMALL LETTER A}da"}, "A user name has up to 64"),
        ({"name": "A\u2028da"}, "line break"),
    ],
)
def test_bad_input_is_explained_and_the_token_stays(values: dict[str, str], message: str) -> None:
    token = printed_token()
    answer = fill_in(Client(), **values)
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert not ConsoleUser.objects.exists()
    assert printed_token() == token


def test_of_two_at_a_time_only_one_becomes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    token = printed_token()
    made = console_users.create_local

    def overtaken(**values: Any) -> ConsoleUser:
        ConsoleUser.objects.create_user("first", PASSWORD, role="administrator")
        return made(**values)

    monkeypatch.setattr(console_users, "create_local", overtaken)
    with pytest.raises(Rejected, match="Somebody else"):
        setup.complete(given_token=token, username="second", name="", password=PASSWORD)
    assert not ConsoleUser.objects.filter(username="second").exists()


def test_a_machine_creates_a_console_user_without_a_password_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    out = io.StringIO()
    call_command(
        "create_console_user", "--username=robot", "--role=helpdesk", "--password-stdin", stdout=out
    )
    user = ConsoleUser.objects.get(username="robot")
    assert user.check_password(PASSWORD)
    assert user.role == "helpdesk"
    assert PASSWORD not in out.getvalue()
