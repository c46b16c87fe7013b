"""The command that exports client documents."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import AuditEvent, ClientProfile, SipServer
from tests.factories import make_account, make_domain, make_pool, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def profile(db: None) -> None:
    SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(), sip_host="sip1.example.com",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    ClientProfile.objects.create(name="Everybody", is_default=True)


def test_a_folder_gets_a_file_per_active_account_that_only_its_owner_reads(tmp_path: Path) -> None:
    make_account(user_part="ann")
    make_account(state="blocked")
    call_command("export_profiles", "--format", "rtc", "--output", str(tmp_path / "out"))
    (file,) = (tmp_path / "out").iterdir()
    assert file.name.startswith("ann@voice.example.com-")
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"password" not in file.read_bytes()


def test_a_zip_may_hold_secrets_and_says_so_in_the_audit_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = make_account()
    output = tmp_path / "out.zip"
    call_command(
        "export_profiles", "--format", "baresip", "--with-secrets", "--json",
        "--account", f"sip:{account.aor}", "--output", str(output),
    )  # fmt: skip
    assert json.loads(capsys.readouterr().out)["written"] == 1
    with zipfile.ZipFile(output) as archive:
        accounts = next(name for name in archive.namelist() if name.endswith("/accounts"))
        assert (account.credential.secret() or "none").encode() in archive.read(accounts)
    event = AuditEvent.objects.get(action="exported client documents")
    assert (event.actor_name, event.detail["with secret"]) == ("command line", True)


def test_filters_choose_accounts(tmp_path: Path) -> None:
    make_account()
    make_account(user_part="ann", domain=make_domain("other.example.com"))
    call_command(
        "export_profiles", "--format", "rtc", "--filter", "state=active",
        "domain=other.example.com", "--output", str(tmp_path),
    )  # fmt: skip
    assert [file.name[:21] for file in tmp_path.iterdir()] == ["ann@other.example.com"]


@pytest.mark.parametrize("given", ["password=x", "state", "credential__sealed_secret=x"])
def test_a_filter_that_is_not_offered_is_refused(tmp_path: Path, given: str) -> None:
    make_account()
    with pytest.raises(CommandError, match="is not KEY=VALUE"):
        call_command("export_profiles", "--format", "rtc", "--filter", given, "--output", "x")


def test_accounts_without_a_document_end_with_status_two(tmp_path: Path) -> None:
    make_account()
    make_account(state="blocked", user_part="shut")
    with pytest.raises(CommandError, match="shut@voice") as caught:
        call_command(
            "export_profiles", "--format", "rtc", "--filter", "kind=room",
            "--output", str(tmp_path),
        )  # fmt: skip
    assert caught.value.returncode == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_export_leaves_no_half_written_zip(tmp_path: Path) -> None:
    make_account()
    with pytest.raises(CommandError, match="of no use"):
        call_command("export_profiles", "--format", "baresip", "--output", str(tmp_path / "x.zip"))
    assert list(tmp_path.iterdir()) == []
