"""Doing what a form asks for once, however often the same form arrives."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from provisioning.models import ConsoleUser, SentForm

# What a page gives its forms: anything else is no key.
_KEY = re.compile(r"[\w-]{1,20}", re.ASCII)
# Nobody sends a form again that is older.
_KEPT = timedelta(days=1)


class Done(NamedTuple):
    """What came of a form: the address to go to, and what to say there."""

    goal: str
    said: str


def do_once(*, key: str, user: ConsoleUser, act: Callable[[], Done]) -> Done:
    """Call `act`, or answer what it answered when `user` sent the form `key` before.

    In one transaction: the second of two that arrive together waits for the first. What `act`
    raises is passed on, nothing is kept then, and the form may be sent again. A form without a key
    (nobody's page made it) is always done.
    """
    if not _KEY.fullmatch(key):
        return act()
    now = timezone.now()
    with transaction.atomic():
        sent, first = SentForm.objects.get_or_create(
            key=f"{user.pk}:{key}", defaults={"user": user, "at": now}
        )
        if not first:
            return Done(sent.goal, sent.said)
        done = act()
        SentForm.objects.filter(key=sent.key).update(goal=done.goal, said=done.said)
        SentForm.objects.filter(at__lt=now - _KEPT).delete()
    return done
