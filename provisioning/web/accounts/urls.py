"""Addresses of accounts, numbers and proposals."""

from django.urls import URLPattern, path

from provisioning.web.accounts import (
    account,
    account_actions,
    account_life,
    account_links,
    accounts,
    accounts_bulk,
    accounts_move,
    number_actions,
    numbers,
    numbers_import,
    proposals,
    ranges,
)

urlpatterns: list[URLPattern] = [
    # Accounts: clients and links
    path("accounts/export/", account_links.export_accounts, name="accounts-export"),
    path("accounts/<int:pk>/document/", account_links.document, name="account-document"),
    path("accounts/<int:pk>/links/", account_links.of_account, name="account-links"),
    path("accounts/<int:pk>/links/new/", account_links.create, name="account-link-new"),
    path("accounts/<int:pk>/links/revoke/", account_links.revoke_all, name="account-links-revoke"),
    path(
        "accounts/<int:pk>/links/<int:link>/revoke/",
        account_links.revoke,
        name="account-link-revoke",
    ),
    path(
        "accounts/<int:pk>/registrations/end/",
        account_actions.end_registration,
        name="account-registration-end",
    ),
    # Accounts
    path("accounts/", accounts.Accounts.as_view(), name="accounts"),
    path("accounts/new/", account_actions.new, name="account-new"),
    path("accounts/columns/", accounts.choose_columns, name="accounts-columns"),
    path("accounts/chosen/", accounts_bulk.bulk, name="accounts-bulk"),
    path("accounts/chosen/block/", accounts_bulk.block_many, name="accounts-block"),
    path("accounts/chosen/credentials/", accounts_bulk.rotate_many, name="accounts-rotate"),
    path("accounts/chosen/move/", accounts_move.move_many, name="accounts-move"),
    path("accounts/<int:pk>/", account.overview, name="account"),
    path("accounts/<int:pk>/clients/", account.clients, name="account-clients"),
    path("accounts/<int:pk>/settings/", account.settings, name="account-settings"),
    path("accounts/<int:pk>/why/", account.why, name="account-why"),
    path("accounts/<int:pk>/history/", account.history, name="account-history"),
    path("accounts/<int:pk>/change/", account_actions.edit, name="account-edit"),
    path("accounts/<int:pk>/block/", account_actions.block, name="account-block"),
    path("accounts/<int:pk>/hold/", account_life.hold, name="account-hold"),
    path("accounts/<int:pk>/proposal/", account_life.proposal, name="account-proposal"),
    path(
        "accounts/<int:pk>/aliases/<int:alias_pk>/end/",
        account_life.end_alias,
        name="account-alias-end",
    ),
    path("accounts/<int:pk>/unblock/", account_actions.unblock, name="account-unblock"),
    path("accounts/<int:pk>/restore/", account_actions.restore, name="account-restore"),
    path("accounts/<int:pk>/credential/", account_actions.rotate, name="account-rotate"),
    path("accounts/<int:pk>/number/", account_actions.assign, name="account-assign"),
    path("accounts/<int:pk>/number/release/", account_actions.release, name="account-release"),
    path("accounts/<int:pk>/rename/", account_actions.rename, name="account-rename"),
    path("accounts/<int:pk>/remove/", account_actions.remove, name="account-remove"),
    path(
        "accounts/<int:pk>/pins/<int:pin_pk>/end/",
        account_actions.end_pin,
        name="account-pin-end",
    ),
    # Changes
    path("changes/proposals/", proposals.proposals, name="changes-proposals"),
    path("changes/proposals/chosen/", proposals.decide, name="changes-proposals-chosen"),
    # Numbers
    path("numbers/", numbers.Numbers.as_view(), name="numbers"),
    path("numbers/new/", number_actions.new, name="number-new"),
    path("numbers/import/", numbers_import.numbers_import, name="numbers-import"),
    path("numbers/export/", numbers.export, name="numbers-export"),
    path("numbers/ranges/", ranges.ranges, name="ranges"),
    path("numbers/ranges/new/", ranges.new, name="range-new"),
    path("numbers/ranges/<int:pk>/", ranges.edit, name="range-edit"),
    path("numbers/ranges/<int:pk>/delete/", ranges.delete, name="range-delete"),
    path("numbers/<int:pk>/", numbers.number, name="number"),
    path("numbers/<int:pk>/give/", number_actions.give, name="number-give"),
    path("numbers/<int:pk>/release/", number_actions.release, name="number-release"),
    path("numbers/<int:pk>/state/", number_actions.change_state, name="number-state"),
]
