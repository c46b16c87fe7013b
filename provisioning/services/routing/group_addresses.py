"""Group addresses: saving and deleting; nobody else has their SIP URI or number meanwhile."""

from __future__ import annotations

from provisioning.core.errors import InvalidFields, InvalidInput, about
from provisioning.core.settings import texts
from provisioning.core.sip import check_user_part
from provisioning.core.states import State
from provisioning.core.telephone import normalise
from provisioning.core.text import require_line
from provisioning.models import Account, Alias, GroupAddress, Number, NumberRange, SipDomain
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.numbers.numbers import add_number, set_number_state
from provisioning.services.routing.marking import marking_routing

# As wide as the column of Kamailio's table.
_LONGEST = 64
_STATES = Number.State


def save_group_address(*, group: GroupAddress, actor: Actor) -> None:
    """Keep a new or changed group address and ask for it at every managed store."""
    before = saving.find_stored(group)
    group.name = require_line(group.name, "The name").strip()
    with about("user_part"):
        group.user_part = check_user_part(group.user_part)
    with about("target"):
        group.target = _target(group.target)
    if group.number:
        with about("number"):
            group.number = normalise(group.number)
    saving.check_fields(group)
    _check_address(group)
    former = before.number if before else ""
    with marking_routing(actor=actor, about=f"group address {group}"):
        if group.number != former:
            if former:
                _release(former, actor)
            if group.number:
                _take(group, actor)
        saving.save(row=group, before=before, actor=actor)


def delete_group_address(*, group: GroupAddress, actor: Actor) -> None:
    """Delete a group address; its number becomes free, and every managed store forgets it."""
    with marking_routing(actor=actor, about=f"group address {group} deleted"):
        if group.number:
            _release(group.number, actor)
        saving.delete(row=group, actor=actor)


def _target(text: str) -> str:
    """A SIP URI with its port, which tells a server beside from a SIP domain."""
    scheme, _, rest = require_line(text, "The target").strip().rpartition("sip:")
    user, _, host = rest.partition("@")
    if scheme or not host:
        raise InvalidInput(f"“{text[:60]}” is not a SIP URI such as sip:support@pbx.example.com.")
    place, semicolon, transport = texts.sip_host(host).partition(";")
    if ":" not in place.rpartition("]")[2]:
        place += ":5061" if transport == "transport=tls" else ":5060"
    name = place.rpartition(":")[0]
    if SipDomain.objects.filter(domain=name).exists():
        raise InvalidInput(
            f"{name} is a SIP domain here: calls would come back. Name the host of the server that "
            "has the queue, conference or hunt group."
        )
    at = f"{place}{semicolon}{transport}"
    if len(at) > _LONGEST:
        raise InvalidInput(f"The host is longer than {_LONGEST} characters, its port among them.")
    return f"sip:{check_user_part(user)}@{at}"


def _check_address(group: GroupAddress) -> None:
    accounts = Account.objects.filter(aor=group.aor).exclude(state=State.REMOVED)
    holder = accounts.values_list("name", flat=True).first()
    if holder is None:
        former = Alias.objects.filter(aor=group.aor)
        holder = former.values_list("account__name", flat=True).first()
    if holder is not None:
        raise InvalidFields(
            {"user_part": f"The SIP URI {group.aor} belongs to {holder}. Nothing was changed."}
        )


def _take(group: GroupAddress, actor: Actor) -> None:
    """Keep the number from accounts; raises InvalidFields where it is not there to be taken."""
    e164, note = group.number, "Leads to a group address"
    ranges = NumberRange.objects.filter(first__lte=e164, last__gte=e164)
    directory = ranges.filter(authority=NumberRange.Authority.DIRECTORY)
    asked = next((each for each in directory if len(each.first) == len(e164)), None)
    number = Number.objects.select_for_update().filter(e164=e164).first()
    problem = ""
    if asked is not None:
        problem = f"the directory says who has the numbers of {asked.name}"
    elif number is not None and number.account_id is not None:
        problem = f"it belongs to {number.account}"
    elif number is not None and number.state not in (_STATES.FREE, _STATES.RESERVED):
        problem = f"it is {number.get_state_display().lower()}"
    if problem:
        raise InvalidFields({"number": f"{e164}: {problem}. Nothing was changed."})
    state = _STATES.USED_ELSEWHERE
    if number is None:
        add_number(e164=e164, state=state, note=note, actor=actor)
    else:
        set_number_state(number=number, state=state, note=note, actor=actor)


def _release(e164: str, actor: Actor) -> None:
    number = Number.objects.filter(e164=e164, account=None).first()
    if number is not None:
        GroupAddress.objects.filter(number=e164).update(number="")
        set_number_state(number=number, state=_STATES.FREE, actor=actor)
