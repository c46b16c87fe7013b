"""The filter of accounts: of the list, of what is done with all that match, of exports."""

from __future__ import annotations

import django_filters
from django import forms
from django.core.validators import RegexValidator
from django.db.models import QuerySet

from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, AccountRule, ServerPool, SipDomain, Site
from provisioning.web.list_page import AnyOf, ListFilter, SearchFilter

_IDS = RegexValidator(r"^[0-9]{1,18}(,[0-9]{1,18})*$")
STATES = [(state.value, meaning.label) for state, meaning in MEANINGS.items()]


class AccountFilter(ListFilter):
    """Accounts by what a list shows of them; removed ones only where that state is chosen."""

    state = AnyOf(choices=STATES, label="State")
    kind = AnyOf(choices=Account.Kind.choices, label="Kind")
    site = AnyOf(choices=lambda: names_of(Site.objects.all()), label="Site")
    pool = AnyOf(choices=lambda: names_of(ServerPool.objects.all()), label="Pool")
    domain = AnyOf(
        choices=lambda: list(SipDomain.objects.order_by("domain").values_list("pk", "domain")),
        label="SIP domain",
    )
    rule = AnyOf(choices=lambda: names_of(AccountRule.objects.all()), label="Rule")
    chosen = django_filters.CharFilter(
        method="by_ids", max_length=20_000, validators=[_IDS], widget=forms.HiddenInput
    )
    q = SearchFilter()

    class Meta:
        model = Account
        fields = ()

    def by_ids(self, accounts: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        """Just the ticked ones, as ids joined by commas."""
        return accounts.filter(pk__in=[int(pk) for pk in value.split(",")])

    def filter_queryset(self, queryset: QuerySet[Account]) -> QuerySet[Account]:
        """Leave removed accounts out unless states are chosen."""
        chosen = self.form.cleaned_data["state"]
        if not chosen:
            # With `=` SQLite would walk the partial index of SIP URIs instead of the table.
            queryset = queryset.exclude(state__in=[State.REMOVED])
        elif State.ACTIVE not in chosen:
            # Says nothing new, but SQLite has to read it to take the index of these few.
            queryset = queryset.exclude(state=State.ACTIVE)
        found: QuerySet[Account] = super().filter_queryset(queryset)
        return found


def names_of(
    rows: QuerySet[Site] | QuerySet[ServerPool] | QuerySet[AccountRule],
) -> list[tuple[int, str]]:
    """(id, name) of each row by name, as choices."""
    return list(rows.order_by("name").values_list("pk", "name"))
