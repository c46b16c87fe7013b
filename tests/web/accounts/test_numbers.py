"""The pages of numbers, ranges and the import."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from provisioning.models import Number, NumberRange
from tests.factories import make_account, make_site
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db


def shown(client: Client, **query: str) -> list[str]:
    response = client.get(reverse("numbers"), query)
    return [row.e164 for row in response.context["page"].rows]


def downloaded(client: Client, **query: str) -> bytes:
    response: Any = client.get(reverse("numbers-export"), query)
    return b"".join(response.streaming_content)


def upload(client: Client, text: str | bytes, **values: object) -> Any:
    content = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("numbers.csv", content, content_type="text/csv")
    return client.post(reverse("numbers-import"), {"file": file, **values})


def test_numbers_are_filtered_by_state_range_site_and_search(as_viewer: Client) -> None:
    NumberRange.objects.create(name="Desk", first="+442079460000", last="+442079460009")
    account = make_account("Reception", site=make_site())
    Number.objects.create(e164="+442079460001", state="assigned", account=account)
    Number.objects.create(e164="+442079460002")
    Number.objects.create(e164="+4420794600021")
    Number.objects.create(e164="+33155000000", state="used elsewhere")
    desk = str(NumberRange.objects.get().pk)
    assert shown(as_viewer, range=desk) == ["+442079460001", "+442079460002"]
    assert shown(as_viewer, range=desk, state="free") == ["+442079460002"]
    assert shown(as_viewer, site=str(account.site_id)) == ["+442079460001"]
    assert shown(as_viewer, q="020 7946 0001") == ["+442079460001"]
    assert shown(as_viewer, q="recep") == ["+442079460001"]
    assert as_viewer.get(reverse("numbers"), {"range": "999"}).status_code == 400


def test_the_list_of_numbers_costs_the_same_number_of_queries_for_any_length(
    as_viewer: Client,
) -> None:
    for i in range(60):
        account = make_account(site=make_site()) if i < 5 else None
        state = "assigned" if account else "free"
        Number.objects.create(e164=f"+4420794600{i:02}", state=state, account=account)
    queries = queries_of(as_viewer, reverse("numbers"))
    assert queries <= 12
    Number.objects.filter(account=None).delete()
    assert queries_of(as_viewer, reverse("numbers")) == queries


def test_a_number_is_given_to_an_account_by_its_address(as_helpdesk: Client) -> None:
    account = make_account(user_part="reception")
    number = Number.objects.create(e164="+442079460001")
    address = reverse("number-give", args=[number.pk])
    missed = as_helpdesk.post(address, {"aor": "sip:nobody@voice.example.com"}, follow=True)
    assert "There is no account" in text_of(missed)
    as_helpdesk.post(address, {"aor": "SIP:Reception@voice.example.com"})
    number.refresh_from_db()
    assert number.account == account
    page = text_of(as_helpdesk.get(reverse("number", args=[number.pk])))
    assert "sip:reception@voice.example.com" in page


def test_a_number_is_kept_out_of_use_with_a_note(as_helpdesk: Client, as_viewer: Client) -> None:
    number = Number.objects.create(e164="+442079460001")
    address = reverse("number-state", args=[number.pk])
    values = {"state": "used elsewhere", "note": "Fax"}
    assert as_viewer.post(address, values).status_code == 403
    as_helpdesk.post(address, values)
    number.refresh_from_db()
    assert (number.state, number.note) == ("used elsewhere", "Fax")
    as_helpdesk.post(address, {"state": "assigned"})
    number.refresh_from_db()
    assert number.state == "used elsewhere"


def test_a_new_number_must_be_one(as_helpdesk: Client) -> None:
    address = reverse("number-new")
    refused = as_helpdesk.post(address, {"number": "hello", "state": "free"})
    assert refused.status_code == 422
    assert "is not a telephone number" in text_of(refused)
    as_helpdesk.post(address, {"number": "+44 20 7946 0001", "state": "reserved"})
    assert Number.objects.get().state == "reserved"


def test_a_range_is_made_shown_with_its_fill_level_and_deleted(
    as_administrator: Client, as_helpdesk: Client
) -> None:
    values = {
        "name": "Desk", "first": "+442079460000", "last": "+442079460009", "extension_digits": 4,
        "authority": "console",
    }  # fmt: skip
    assert as_helpdesk.post(reverse("range-new"), values).status_code == 403
    as_administrator.post(reverse("range-new"), values)
    Number.objects.create(e164="+442079460000", state="reserved")
    assert "1 of 10 taken" in text_of(as_helpdesk.get(reverse("ranges")))
    made = NumberRange.objects.get()
    page = text_of(as_administrator.get(reverse("range-edit", args=[made.pk])))
    assert "the next one is +442079460001" in page
    overlap = as_administrator.post(
        reverse("range-new"), values | {"name": "Other", "last": "+442079460099"}
    )
    assert overlap.status_code == 422
    assert "overlaps with Desk" in text_of(overlap)
    as_administrator.post(reverse("range-delete", args=[made.pk]))
    assert not NumberRange.objects.exists()
    assert Number.objects.exists()


def test_an_import_shows_a_preview_first_and_then_does_just_that(as_helpdesk: Client) -> None:
    make_account(user_part="reception")
    text = (
        "number,account,note\n020 7946 0001,sip:reception@voice.example.com,<b>front</b>\nhello,,\n"
    )
    preview = upload(as_helpdesk, text, site=make_site().pk)
    page = text_of(preview)
    assert "Nothing has been imported yet" in page
    assert "1 line cannot be imported" in page
    assert "<b>front" not in preview.content.decode()
    assert not Number.objects.exists()
    context = preview.context
    parcel = {"parcel": context["parcel"], "digest": context["plan"].digest}
    done = as_helpdesk.post(reverse("numbers-import"), parcel, follow=True)
    assert "1 number imported" in text_of(done)
    assert Number.objects.get().account is not None
    again = as_helpdesk.post(reverse("numbers-import"), parcel)
    assert "changed since the preview" in text_of(again)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfenumber", "not UTF-8"),
        (b"number\n" + b"x" * 5_000_001, "larger than 5 MB"),
        (b"a,b\n1,2\n", "name the columns"),
        (b"", "empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    as_helpdesk: Client, content: bytes, said: str
) -> None:
    response = upload(as_helpdesk, content)
    assert response.status_code == 422
    assert said in text_of(response)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "no line follows"),
        ("nonsense\n", "Correct the lines with a problem"),
        ("+442079460001\n", "what the console knows already"),
    ],
)
def test_a_file_of_which_nothing_is_imported_says_why(
    as_helpdesk: Client, lines: str, said: str
) -> None:
    Number.objects.create(e164="+442079460001")
    file = SimpleUploadedFile("numbers.csv", f"number\n{lines}".encode())
    page = text_of(as_helpdesk.post(reverse("numbers-import"), {"file": file}))
    assert "Nothing to import" in page
    assert said in page


def test_a_preview_that_the_console_did_not_make_is_refused(as_helpdesk: Client) -> None:
    response = as_helpdesk.post(reverse("numbers-import"), {"parcel": "forged", "digest": ""})
    assert response.status_code == 400


def test_a_viewer_exports_but_does_not_import(as_viewer: Client) -> None:
    Number.objects.create(e164="+442079460001", note='=HYPERLINK("x")')
    assert as_viewer.get(reverse("numbers-import")).status_code == 403
    rows = list(csv.reader(io.StringIO(downloaded(as_viewer, state="free").decode("utf-8-sig"))))
    assert rows == [
        ["number", "account", "state", "note"],
        ["'+442079460001", "", "free", '\'=HYPERLINK("x")'],
    ]


def test_what_is_exported_can_be_imported_again(as_helpdesk: Client) -> None:
    account = make_account(user_part="reception")
    Number.objects.create(e164="+442079460001", state="assigned", account=account, note="-x")
    preview = upload(as_helpdesk, downloaded(as_helpdesk))
    assert preview.context["plan"].counts == {"none": 1}
