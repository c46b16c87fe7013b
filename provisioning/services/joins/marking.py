"""What SIP servers are asked where entries were joined or parted: the settings of their groups."""

from __future__ import annotations

from provisioning.models import Account, GroupRank, PendingChange, Person, Run
from provisioning.services import bulk
from provisioning.services.push import outbox
from provisioning.services.runs.plan import TABLE

_PERSON, _ACCOUNT = Person._meta.db_table, Account._meta.db_table
# The entry itself, and the person that it belongs to now, or did.
_EACH = f"""
SELECT {_ACCOUNT}.aor FROM {TABLE} p
JOIN {_PERSON} ON {_PERSON}.source_id = {{source}} AND {_PERSON}.guid = {{guid}}
JOIN {_ACCOUNT} ON {_ACCOUNT}.person_id = {_PERSON}.id
WHERE p.run_id = %(run)s AND p.kind = 'person' AND p.action IN ('join', 'separate')
  AND (p.status = 'applied' OR (p.status = 'planned' AND p.ordinal <= %(applied_to)s))
"""  # noqa: S608
_CONCERNED = " UNION ".join(
    (
        _EACH.format(source="p.source_id", guid="p.key"),
        _EACH.format(source="CAST(p.after ->> 'source' AS bigint)", guid="p.after ->> 'person'"),
    )
)


def mark_joined(run: Run) -> None:
    """Ask for the settings of the accounts of whom `run` joined and parted.

    For a group counts whoever is in it by any entry. Call in the transaction that ends the run; to
    ask twice costs a look.
    """
    joins = any(name.startswith(("person.join", "person.separate")) for name in run.counts)
    if not joins or not GroupRank.objects.exists():
        return
    window = {"run": run.pk, "applied_to": run.applied_to}
    aors = [aor for (aor,) in bulk.fetch(f"{_CONCERNED} LIMIT {outbox.BULK + 1}", window)]
    outbox.mark_preferences(aors=[PendingChange.ALL] if len(aors) > outbox.BULK else sorted(aors))
