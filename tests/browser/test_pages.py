"""Every page loads without a complaint, is accessible light and dark, and fits a narrow screen."""

from __future__ import annotations

import pytest
from django.test import Client

from provisioning.models import Account, ConsoleUser
from provisioning.services.accounts.accounts import NewAccount, create_account
from provisioning.services.actor import Actor
from tests.browser.console import NARROW, WIDE, Console
from tests.browser.pages import every_page
from tests.browser.scene import make_company
from tests.factories import make_domain, make_pool

# The pages are shared out between test processes.
SHARES = 4


@pytest.mark.parametrize("share", range(SHARES))
def test_every_page_is_clean_accessible_and_narrow(
    signed_in: Console, as_administrator: Client, administrator: ConsoleUser, share: int
) -> None:
    make_company(administrator)
    pages = every_page(as_administrator)
    assert len(pages) > 30
    found: list[str] = []
    for path in pages[share::SHARES]:
        signed_in.resize(WIDE)
        signed_in.open(path)
        problems = signed_in.violations()
        signed_in.switch_theme("dark")
        problems += signed_in.violations("color-contrast", "link-in-text-block")
        signed_in.resize(NARROW)
        problems += signed_in.overflow() + signed_in.squeezed() + signed_in.complaints()
        found += [f"{path} {problem}" for problem in problems]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("path", ["/sign-in/", "/nowhere/"])
def test_pages_without_the_shell_are_clean_accessible_and_narrow(
    console: Console, administrator: ConsoleUser, path: str
) -> None:
    console.open(path)
    console.complaints()
    problems = console.violations()
    console.switch_theme("dark")
    problems += console.violations()
    console.resize(NARROW)
    assert problems + console.overflow() == []


def test_the_longest_name_and_sip_uri_fit_the_page_of_their_account(
    signed_in: Console, administrator: ConsoleUser
) -> None:
    new = NewAccount(
        kind=Account.Kind.ROOM, name="x" * 200, user_part="u" * 64, domain=make_domain(),
        pool=make_pool(),
    )  # fmt: skip
    account = create_account(new=new, actor=Actor.of(administrator))
    signed_in.open(f"/accounts/{account.pk}/")
    found = signed_in.overflow()
    signed_in.resize(NARROW)
    assert found + signed_in.overflow() == []
