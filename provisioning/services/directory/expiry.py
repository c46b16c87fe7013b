"""People whose directory account expires: on the day, though nothing changes in the directory."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.states import State
from provisioning.models import Account, Person, Pin, PlannedChange, Run
from provisioning.services.rules.matching import judge_people

# After a run that was discarded, stopped or failed.
_PATIENCE = timedelta(hours=1)


def find_expired(*, now: datetime) -> QuerySet[Person]:
    """Those who expired and still have an active account that nobody pinned.

    Of somebody with several entries one that expired is not enough, where another decides.
    """
    pinned = Pin.objects.filter(field=Pin.Field.STATE).values("account_id")
    active = Account.objects.filter(state=State.ACTIVE).exclude(pk__in=pinned)
    over = Person.objects.filter(~Q(expires_at=""), expires_at__lte=moment(now), left_at=None)
    found = Person.objects.filter(
        pk__in=over.annotate(owner=Coalesce("same_as", "pk")).values("owner")
    ).filter(pk__in=active.filter(person__isnull=False).values("person_id"))
    joined = list(found.filter(Exists(Person.objects.filter(same_as=OuterRef("pk")))))
    judged = judge_people(joined)
    stay = [person.pk for person in joined if not judged[person.pk].view.is_out(moment(now))]
    return found.exclude(pk__in=stay)


def is_expiry_due(*, now: datetime | None = None) -> bool:
    """Whether somebody expired whose loss of service no run has taken up.

    What a run took up and a limit holds waits there for an administrator.
    """
    now = now or timezone.now()
    runs = Run.objects.filter(kind=Run.Kind.EXPIRY, dry=False)
    given_up = [Run.State.FAILED, Run.State.STOPPED]
    discarded = Q(state=Run.State.DONE, changes__status=PlannedChange.Status.DISCARDED)
    if runs.filter(
        Q(state__in=[Run.State.QUEUED, Run.State.RUNNING])
        | (Q(state__in=given_up) | discarded) & Q(finished_at__gt=now - _PATIENCE)
    ).exists():
        return False
    waiting = PlannedChange.objects.filter(
        status=PlannedChange.Status.HELD, kind="account", run__state=Run.State.WAITING,
        run__dry=False,
    )  # fmt: skip
    return find_expired(now=now).exclude(guid__in=waiting.values("subject")).exists()
