"""Finding a person or an account by what an administrator has at hand."""

from __future__ import annotations

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.core.telephone import normalise
from provisioning.models import Account, Number, Person


def find_subjects(*, text: str) -> list[Person | Account]:
    """The people and accounts that `text` names exactly: a user name, a SIP URI or a number.

    The account of a person is given as that person. Raises InvalidInput when there is none.
    """
    text = text.strip()
    aor = text.lower().removeprefix("sips:").removeprefix("sip:")
    accounts = list(
        Account.objects.filter(aor=aor)
        .exclude(state=State.REMOVED)
        .select_related("person__source")
    )
    if not accounts and (number := _number(text)):
        accounts = [number]
    found: list[Person | Account] = [account.person or account for account in accounts]
    if not found:
        found = list(Person.objects.filter(login__iexact=text).select_related("source"))
    if not found:
        raise InvalidInput(f"Nobody has the user name, SIP URI or number “{text[:80]}”.")
    return found


def _number(text: str) -> Account | None:
    try:
        e164 = normalise(text)
    except InvalidInput:
        return None
    number = Number.objects.filter(e164=e164).select_related("account__person__source").first()
    return number.account if number else None
