"""People with a conflict: what is wrong with each, and what can be done about it."""

from __future__ import annotations

import re

import django_filters
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import DirectorySource, Person
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.keyset import paginate
from provisioning.web.list_page import ListFilter, SearchFilter
from provisioning.web.runs.runs import tabs

# What the planner says (decide, number desk) → what an administrator can do.
_ADVICE = (
    (r"one person with two entries", "Open the person, and join the two or keep them apart; or "
     "join everybody under Sources & sync, One person, several entries."),
    (r"SIP URI .* already belongs to", "Give one of the two another SIP URI by hand, or make the "
     "formula of the rule tell them apart."),
    (r"SIP URI .* belonged to", "Wait until then, or end the old SIP URI on the page of that "
     "account."),
    (r"formula .* gives nothing", "Fill the field in the directory, or use first(…) in the "
     "formula so that another field stands in."),
    (r"cannot be the user part", "Correct the field in the directory, or replace what does not "
     "fit: replace(login, '[^a-z0-9.]', '-')."),
    (r"not a telephone number", "Correct the number in the directory; international notation "
     "(+44…) is always understood."),
    (r"no free number left", "Widen the range, or choose another in the rule."),
    (r"number", "Take the number from whoever has it, or correct it in the directory."),
)  # fmt: skip


class ConflictFilter(ListFilter):
    """Search among the people with a conflict."""

    source = django_filters.ModelChoiceFilter(
        queryset=DirectorySource.objects.order_by("name"), label="Source"
    )

    q = SearchFilter()

    class Meta:
        model = Person
        fields = ()


@needs(Capability.VIEW)
@require_safe
def conflicts(request: ConsoleRequest) -> HttpResponse:
    """Everybody whom the last run could not give what the rules say."""
    people = Person.objects.exclude(problem="").select_related("source")
    chosen = ConflictFilter(request.GET, people)
    page = paginate(chosen.rows, cursor=request.GET.get("cursor", ""))
    context = {
        "title": "Changes",
        "lead": "People whose account could not be made or changed as the rules say. Everybody "
        "else is not affected.",
        "tabs": tabs("conflicts"),
        "filter": chosen,
        "page": page,
        "rows": [(person, advice_for(person.problem)) for person in page.rows],
    }
    part = request.htmx and not request.htmx.boosted
    return render(request, "changes/_conflicts.html" if part else "changes/conflicts.html", context)


def advice_for(problem: str) -> str:
    """What can be done about a conflict."""
    for pattern, advice in _ADVICE:
        if re.search(pattern, problem):
            return advice
    return "Open the person to see what the directory says and which rule decides."
