"""Accounts in the browser: choosing many, blocking one, a link with its QR code."""

from __future__ import annotations

from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, ClientProfile, ProvisioningLink, SipServer
from tests.browser.console import Console
from tests.factories import make_account, make_pool, make_store


def test_everything_that_matches_is_blocked_and_nothing_else(signed_in: Console) -> None:
    for number in range(53):
        make_account(f"Desk {number:02}")
    spared = make_account("Lobby phone")
    signed_in.open("/accounts/?q=desk")
    assert not signed_in.all("[data-selection-bar]")[0].is_displayed()
    signed_in.find("[data-select-page]").click()
    signed_in.wait_for_text("50 selected")
    signed_in.button("Select all 53 matching").click()
    signed_in.wait_for_text("53 selected")
    signed_in.button("Block…").click()
    signed_in.wait_for_text("Block 53 accounts")
    signed_in.wait_for_text("53 of them work now")
    assert signed_in.violations() == []
    signed_in.find("#id_reason").send_keys("Floor is being rebuilt")
    signed_in.find("#id_approved").click()
    signed_in.button("Block", "main").click()
    signed_in.wait_for_text("53 accounts blocked.")
    assert Account.objects.filter(state=State.BLOCKED).count() == 53
    spared.refresh_from_db()
    assert spared.state == State.ACTIVE


def test_an_account_is_blocked_with_a_reason_that_the_dialog_asks_for(signed_in: Console) -> None:
    account = make_account("Boardroom")
    signed_in.open(f"/accounts/{account.pk}/")
    signed_in.button("Block").click()
    dialog = "dialog#block[open]"
    reason = signed_in.find(f"{dialog} [name=reason]")
    signed_in.button("Block", dialog).click()
    # The browser itself asks for what is missing; nothing was sent.
    assert reason.get_property("validity")["valueMissing"]  # type: ignore[index]
    reason.send_keys("Stolen")
    signed_in.button("Block", dialog).click()
    signed_in.wait_for_text("Unblock")
    account.refresh_from_db()
    assert (account.state, account.blocked_reason) == (State.BLOCKED, "Stolen")
    assert AuditEvent.objects.filter(action__contains="blocked").exists()


def test_a_refused_number_stays_in_the_dialog_until_it_is_mended(signed_in: Console) -> None:
    account = make_account("Boardroom")
    signed_in.open(f"/accounts/{account.pk}/")
    signed_in.button("Assign number").click()
    dialog = "dialog#number[open]"
    signed_in.find(f"{dialog} [name=number]").send_keys("seven")
    signed_in.button("Assign", dialog).click()
    refused = signed_in.find(f"{dialog} [name=number][aria-invalid]")
    assert refused.get_property("value") == "seven"
    assert signed_in.path == f"/accounts/{account.pk}/"
    assert signed_in.violations() == []
    # The browser's console tells of every answer that is a refusal.
    assert all("422" in complaint for complaint in signed_in.complaints())
    refused.clear()
    refused.send_keys("+44 20 7946 0001")
    signed_in.button("Assign", dialog).click()
    signed_in.wait_for_text("Boardroom has +442079460001 now.")


def test_a_filter_is_saved_as_a_tab_and_removed_again(signed_in: Console) -> None:
    make_account("Boardroom")
    signed_in.open("/accounts/?q=board")
    signed_in.find("#views summary").click()
    signed_in.find("#view-name").send_keys("Boards")
    signed_in.button("Save", "#views").click()
    signed_in.wait_for_text("Only you see it.")
    assert signed_in.find("#views [aria-current]").text == "Boards"
    signed_in.find("#views summary").click()
    assert signed_in.violations() == []
    signed_in.find('[aria-label="Remove the view Boards"]').click()
    signed_in.wait_for_text("is removed.")
    assert not signed_in.all("#views summary")


def test_a_link_shows_its_address_and_qr_code_once(signed_in: Console) -> None:
    account = make_account("Boardroom")
    SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(), sip_host="sip1.example.com",
        rpc_url="https://sip1.example.com:8443/RPC",
    )  # fmt: skip
    ClientProfile.objects.create(name="Softphone", is_default=True)
    signed_in.open(f"/accounts/{account.pk}/clients/")
    signed_in.button("Make link").click()
    signed_in.wait_for_text("The link is ready")
    signed_in.find("svg.rt-qr")
    assert signed_in.violations() == []
    address = next(word for word in signed_in.text.split() if word.startswith("http"))
    link = ProvisioningLink.objects.get()
    assert link.token_hash not in address
    token = address.rstrip("/").rpartition("/")[2]
    signed_in.open(f"/accounts/{account.pk}/clients/")
    signed_in.wait_for_text("Revoke all")
    assert token not in signed_in.browser.page_source
    assert signed_in.all("svg.rt-qr") == []


def test_what_is_exported_follows_the_filter(signed_in: Console) -> None:
    make_account("Boardroom")
    make_account("Lobby phone")
    signed_in.open("/accounts/")
    signed_in.find("input[name=q]").send_keys("board")
    signed_in.wait(lambda: "q=board" in signed_in.path, "the filter in the address")
    addresses = [link.get_attribute("href") for link in signed_in.all("a[data-follows-list]")]
    assert len(addresses) == 2
    assert all(str(address).endswith("?q=board") for address in addresses)
