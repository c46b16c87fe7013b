"""What the keyboard does: the search of a list, the search over everything, dialogs, skipping."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys

from tests.browser.console import Console
from tests.factories import make_account


def focused(console: Console) -> str:
    script = "return document.activeElement.id || document.activeElement.name"
    return str(console.browser.execute_script(script))


def test_a_slash_goes_to_the_search_of_the_list_which_filters_as_one_types(
    signed_in: Console,
) -> None:
    make_account("Boardroom")
    make_account("Lobby phone")
    signed_in.open("/accounts/")
    signed_in.press("/")
    assert focused(signed_in) == "q"
    signed_in.press("board")
    signed_in.wait(lambda: "Lobby phone" not in signed_in.text, "the list is filtered")
    assert "Boardroom" in signed_in.text
    signed_in.wait(lambda: signed_in.path == "/accounts/?q=board", "the address follows")
    assert focused(signed_in) == "q"


def test_ctrl_k_finds_an_account_and_enter_opens_it(signed_in: Console) -> None:
    account = make_account("Boardroom")
    signed_in.open("/audit/")
    signed_in.press_with(Keys.CONTROL, "k")
    signed_in.find("dialog#palette")
    signed_in.press("boardr")
    signed_in.wait(lambda: "Boardroom" in signed_in.find("#palette-results").text, "Boardroom")
    assert signed_in.violations() == []
    signed_in.press(Keys.ARROW_DOWN, Keys.ENTER)
    signed_in.wait(lambda: signed_in.path == f"/accounts/{account.pk}/", "the account")


def test_escape_closes_a_dialog_and_the_focus_returns_to_its_button(signed_in: Console) -> None:
    account = make_account("Boardroom")
    signed_in.open(f"/accounts/{account.pk}/")
    opener = signed_in.button("Block")
    opener.send_keys(Keys.ENTER)
    signed_in.find("dialog#block")
    signed_in.press(Keys.ESCAPE)
    signed_in.wait(lambda: not signed_in.all("dialog[open]"), "the dialog is closed")
    assert signed_in.browser.switch_to.active_element == opener


def test_the_first_tab_stop_leads_past_the_navigation(signed_in: Console) -> None:
    signed_in.open("/people/")
    signed_in.press(Keys.TAB, Keys.ENTER)
    signed_in.wait(lambda: focused(signed_in) == "main", "the content has the focus")
