"""Proposed SIP URIs: accepted or declined, one at once, many by a run within the limits."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.states import State
from provisioning.models import Account, Person, Pin, PlannedChange, Proposal, Run, SipDomain
from provisioning.services import bulk
from provisioning.services.accounts.addresses import give_address
from provisioning.services.accounts.standing import locked
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.runs.plan import TABLE
from provisioning.services.runs.runs import request_renames_run

_OPEN = Proposal.State.OPEN
_NOTE = f"""
UPDATE {TABLE} SET status = 'discarded' WHERE status = 'proposed' AND kind = 'account'
  AND run_id = %s AND subject IN (
    SELECT person.guid FROM {Proposal._meta.db_table} proposal
    JOIN {Account._meta.db_table} account ON account.id = proposal.account_id
    JOIN {Person._meta.db_table} person ON person.id = account.person_id
    WHERE proposal.run_id = %s AND proposal.state = 'declined')
"""  # noqa: S608


def find_proposal(*, change: PlannedChange) -> Proposal:
    """The open proposal that a run's row made; raises StalePlan when somebody decided already."""
    guid, _, slot = change.key.partition("/")
    mine = Proposal.objects.filter(
        account__person__source_id=change.source_id, account__person__guid=guid,
        account__slot=slot, aor=change.after.get("SIP URI"), state=_OPEN,
    )  # fmt: skip
    found = mine.select_related("account").first()
    if found is None or change.status != PlannedChange.Status.PROPOSED:
        raise _decided()
    if found.account.aor != change.before["SIP URI"]:
        raise StalePlan(
            f"The account does not have the SIP URI {change.before['SIP URI']} any more. Nothing "
            "was changed."
        )
    return found


def accept_proposal(*, proposal: Proposal, actor: Actor) -> Account:
    """Give one account the SIP URI that its rule proposed; its clients must fetch their profile.

    The former one leads on as long as the rule says. Raises StalePlan when somebody decided already
    and InvalidInput when somebody else has the proposed one.
    """
    with transaction.atomic():
        account = _decide(proposal, Proposal.State.ACCEPTED, actor)
        user_part, _, host = proposal.aor.partition("@")
        domain = SipDomain.objects.filter(domain=host).first()
        if domain is None:
            raise StalePlan(f"There is no SIP domain {host} any more. Nothing was changed.")
        days = account.rule.alias_days if account.rule else 0
        former = give_address(account, domain=domain, user_part=user_part, alias_days=days)
        account.pins.filter(field=Pin.Field.USER_PART).delete()
        _note(proposal, PlannedChange.Status.APPLIED)
        audit.record(
            actor=actor, action="accepted the new SIP URI of", obj=account,
            detail={"SIP URI": [former, account.aor], "run": proposal.run_id},
        )  # fmt: skip
    return account


def decline_proposal(*, proposal: Proposal, actor: Actor) -> Account:
    """Keep the SIP URI that the account has, until the value of the formula changes again."""
    with transaction.atomic():
        account = _decide(proposal, Proposal.State.DECLINED, actor)
        _note(proposal, PlannedChange.Status.DISCARDED)
        audit.record(
            actor=actor, action="kept the SIP URI of", obj=account,
            detail={"not taken": proposal.aor, "run": proposal.run_id},
        )  # fmt: skip
    return account


def accept_proposals(*, proposals: QuerySet[Proposal], actor: Actor) -> Run:
    """Accept all that are open of these; a run plans them, within the limits, and applies them.

    Swaps and circles are put in order there, and whoever cannot have the new SIP URI becomes a
    conflict. Raises InvalidInput when none is open.
    """
    with transaction.atomic():
        count = _decide_many(proposals, Proposal.State.ACCEPTED, actor)
        run = request_renames_run(actor=actor)
        audit.record(
            actor=actor, action="accepted new SIP URIs", obj=run, detail={"accounts": count}
        )
    return run


def decline_proposals(*, proposals: QuerySet[Proposal], actor: Actor) -> int:
    """Decline all that are open of these; how many. Raises InvalidInput when none is."""
    with transaction.atomic():
        runs = list(
            proposals.filter(state=_OPEN, run__isnull=False)
            .order_by()
            .values_list("run", flat=True)
            .distinct()
        )
        count = _decide_many(proposals, Proposal.State.DECLINED, actor)
        for run in Run.objects.filter(pk__in=runs):
            bulk.execute(_NOTE, [run.pk, run.pk])
            audit.record(
                actor=actor, action="declined new SIP URIs of", obj=run, detail={"accounts": count}
            )
    return count


def reopen_accepted() -> None:
    """Ask again about what was accepted and not done: its run was discarded."""
    accepted = Proposal.objects.filter(state=Proposal.State.ACCEPTED)
    accepted.update(state=_OPEN, decided_by=None, decided_at=None)


def _decide_many(proposals: QuerySet[Proposal], state: Proposal.State, actor: Actor) -> int:
    chosen = Proposal.objects.filter(pk__in=proposals.order_by().values("pk"), state=_OPEN)
    count = chosen.update(state=state, decided_by=actor.user, decided_at=timezone.now())
    if not count:
        raise InvalidInput("No proposal was chosen that is still open. Nothing was changed.")
    return count


def _decide(proposal: Proposal, state: Proposal.State, actor: Actor) -> Account:
    """Note the decision and lock the account."""
    mine = Proposal.objects.filter(pk=proposal.pk, aor=proposal.aor, state=_OPEN)
    if not mine.update(state=state, decided_by=actor.user, decided_at=timezone.now()):
        raise _decided()
    account = locked([proposal.account_id])[0]
    if account.state == State.REMOVED:
        raise StalePlan("The account was removed. Nothing was changed.")
    return account


def _decided() -> StalePlan:
    return StalePlan("Somebody else decided on this proposal already. Nothing was changed.")


def _note(proposal: Proposal, status: PlannedChange.Status) -> None:
    """Show the decision in the run that made the proposal."""
    person = proposal.account.person
    if person is not None and proposal.run_id is not None:
        PlannedChange.objects.filter(
            run=proposal.run_id, kind="account", subject=person.guid,
            status=PlannedChange.Status.PROPOSED,
        ).update(status=status)  # fmt: skip
