"""The filter of accounts: of the list, of what is done with all that match, of exports."""

from __future__ import annotations

from django.db.models import QuerySet

from provisioning.core.states import MEANINGS, State
from provisioning.models import Account, AccountRule, ServerPool, SipDomain, Site
from provisioning.web.list_page import AnyOf, ListFilter, SearchFilter

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
    q = SearchFilter()

    class Meta:
        model = Account
        fields = ()

    def filter_queryset(self, queryset: QuerySet[Account]) -> QuerySet[Account]:
        """Leave removed accounts out unless their state is chosen."""
        if State.REMOVED not in self.form.cleaned_data["state"]:
            queryset = queryset.exclude(state=State.REMOVED)
        found: QuerySet[Account] = super().filter_queryset(queryset)
        return found


def names_of(
    rows: QuerySet[Site] | QuerySet[ServerPool] | QuerySet[AccountRule],
) -> list[tuple[int, str]]:
    """(id, name) of each row by name, as choices."""
    return list(rows.order_by("name").values_list("pk", "name"))
