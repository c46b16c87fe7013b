"""`numbers`: listed, and imported from CSV with a message for every line that cannot be."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import AuditEvent, Number, NumberRange
from tests.factories import make_account, make_site

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("numbers", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str, status: int = 1) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("numbers", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


@pytest.fixture
def file(tmp_path: Path, db: None) -> Path:
    """One line that can be imported for an account, one that is free, two that are wrong."""
    make_account(user_part="ann")
    path = tmp_path / "numbers.csv"
    path.write_text(
        "number;account;note\n+442079460001;sip:ann@voice.example.com;\n+442079460002;;Fax\n"
        "abc;;\n+442079460003;sip:nobody@voice.example.com;\n"
    )
    return path


def test_an_import_is_shown_line_by_line_before_anything_is_kept(file: Path) -> None:
    said = refused("import", str(file), status=2)
    assert "line 2: add +442079460001: assigned of sip:ann@voice.example.com" in said
    assert "line 3: add +442079460002: free (Fax)" in said
    assert "line 4: abc: “abc” is not a telephone number" in said
    assert "line 5: +442079460003: There is no account nobody@voice.example.com." in said
    assert "2 new, 2 unusable." in said
    assert "Nothing was imported; add --apply." in said
    assert not Number.objects.exists()


def test_with_apply_every_good_line_is_imported_and_again_changes_nothing(file: Path) -> None:
    told = json.loads(
        refused("import", str(file), "--apply", "--json", status=2).split("]}")[0] + "]}"
    )
    assert (told["counts"], told["dry"]) == ({"add": 2, "problem": 2}, False)
    assert [line["action"] for line in told["lines"]] == ["add", "add", "problem", "problem"]
    assert set(Number.objects.values_list("e164", "state")) == {
        ("+442079460001", "assigned"), ("+442079460002", "free"),
    }  # fmt: skip
    assert AuditEvent.objects.get(action="imported numbers").actor_name == "command line"
    assert "2 so already, 2 unusable." in refused("import", str(file), "--apply", status=2)


def test_national_numbers_are_of_the_country_that_is_said(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(b"number\n030 23125100\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert "add +493023125100: free" in run("import", "-", "--country", "de")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "first line must name the columns"),
        (b"telephone\n1\n", "first line must name the columns"),
        (b"number\n\xff\xfe\n", "not UTF-8 text"),
        (b"number\n\x00\n", "not a CSV text"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(
    tmp_path: Path, db: None, content: bytes, says: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert says in refused("import", str(path), "--apply")
    assert not AuditEvent.objects.exists()


def test_no_file_is_said(tmp_path: Path, db: None) -> None:
    assert "Say which file" in refused("import")
    assert "No such file" in refused("import", str(tmp_path / "nowhere"))
    assert "Is a directory" in refused("import", str(tmp_path))


def test_they_are_listed_by_state_range_and_site(db: None, django_assert_num_queries: Any) -> None:
    account = make_account(user_part="ann", site=make_site())
    Number.objects.create(e164="+442079460001", state="assigned", account=account)
    Number.objects.create(e164="+442079460002", state="free", note="Fax")
    Number.objects.create(e164="+493023125100", state="free")
    NumberRange.objects.create(name="London", first="+442079460000", last="+442079460099")
    with django_assert_num_queries(1):
        told = [json.loads(line) for line in run("list", "--json").splitlines()]
    assert [(each["number"], each["account"]) for each in told] == [
        ("+442079460001", "ann@voice.example.com"), ("+442079460002", None),
        ("+493023125100", None),
    ]  # fmt: skip
    assert run("list", "--range", "London", "--state", "free") == "+442079460002  free  Fax\n"
    assert "sip:ann@voice.example.com" in run("list", "--site", "London")
    assert "no number range “x”" in refused("list", "--range", "x")
    assert "no site “x”" in refused("list", "--site", "x")


def test_what_a_number_is_that_nobody_has_is_set(db: None) -> None:
    account = make_account(user_part="ann")
    Number.objects.create(e164="+442079460001", state="assigned", account=account)
    free = ("set", "+442079460002", "--state", "free", "--note", "Fax")
    assert "not known → free\nNothing was changed" in run(*free)
    assert Number.objects.count() == 1
    assert run(*free, "--apply") == "+442079460002: not known → free\n"
    again = ("set", "+44 20 7946 0002", "--state", "quarantined", "--apply", "--json")
    told = json.loads(run(*again))
    assert (told["before"], told["state"], told["dry"]) == ("free", "quarantined", False)
    assert told["quarantined_until"]
    assert "Say which number" in refused("set", "+442079460002", "--apply")
    assert "belongs to an account" in refused("set", "+442079460001", "--state", "free", "--apply")
    assert "is not a telephone number" in refused("set", "abc", "--state", "free", "--apply")
    assert "by giving it to an account" in refused(
        "set", "+442079460002", "--state", "assigned", "--apply"
    )
    assert AuditEvent.objects.count() == 2


def test_what_is_listed_as_csv_can_be_imported(tmp_path: Path, db: None) -> None:
    account = make_account(user_part="ann")
    Number.objects.create(e164="+442079460001", state="assigned", account=account)
    text = run("list", "--csv")
    assert [row["account"] for row in csv.DictReader(io.StringIO(text))] == [f"sip:{account.aor}"]
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert "1 so already." in run("import", str(path), "--apply")
