"""What the directory says about the standing of a person, told apart in plain words."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.moments import read_moment
from provisioning.models import Person


def describe_standing(person: Person, *, now: datetime | None = None) -> list[str]:
    """Such as "present", "expires 10 Jun 2030, 12:00" and "locked out"; at least one.

    Without "present" the person has no service: whoever is only locked out keeps it.
    """
    now = now or timezone.now()
    if person.left_at is not None:
        return ["left"]
    words = [] if person.is_out(now) else ["present"]
    if person.disabled:
        words.append("disabled")
    expires = expiry_of(person)
    if expires is not None:
        verb = "expired" if expires <= now else "expires"
        words.append(f"{verb} {timezone.localtime(expires):%-d %b %Y, %H:%M}")
    if person.locked_out:
        words.append("locked out")
    if person.must_change_password:
        words.append("must change password")
    return words


def find_manager(person: Person) -> Person | None:
    """Who the person's manager is, among those who were read from the same source."""
    if not person.manager:
        return None
    here = Person.objects.filter(source=person.source_id, left_at=None)
    # A directory may spell a DN in another case than the entry itself does.
    return here.filter(dn=person.manager).first() or here.filter(dn__iexact=person.manager).first()


def expiry_of(person: Person) -> datetime | None:
    """When the person's directory account expires or expired; None for never."""
    try:
        return read_moment(person.expires_at)
    except InvalidInput:
        return None
