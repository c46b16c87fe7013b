"""What a look at a store has to compare: what has changed, here or there, since it was last right.

A whole pass derives every row and hands it to the store. Here the console's database and the
store's each hash what they hold, at the same time, and only where a hash differs from that of the
last look are rows compared (docs/decisions/0010-the-store-compares-and-merges.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from django.utils import timezone

from provisioning.core.errors import Rejected
from provisioning.drivers.base import Kind, StoreDriver
from provisioning.models import ConfigStore, Drift, PendingChange, StoreProof
from provisioning.services.push.desired import (
    PAGE,
    Page,
    Part,
    keyed_hash,
    page_of,
    unwanted_pages,
    wanted_pages,
)
from provisioning.services.push.ground import read_ground, terms_of

log = structlog.stdlib.get_logger(__name__)

# The kinds whose rows are many, and made of nothing but what read_ground hashes.
PROVEN = (Kind.SUBSCRIBER, Kind.ALIAS)

Hashes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Now:
    """What one kind is like now: the hashes that a StoreProof keeps, and what to compare.

    Everything, where `part` is None.
    """

    terms: str
    ground: Hashes
    standing: Hashes
    part: Part | None


class Look:
    """One look at a store: which rows have to be compared, and what is kept for the next look.

    Without `keeps` nothing is kept, and nothing is hashed where there is no earlier look. With
    `everything` all rows are compared, whatever was found before. `ground`, where somebody has read
    it just now, saves reading it.
    """

    def __init__(
        self,
        store: ConfigStore,
        driver: StoreDriver,
        *,
        kinds: Collection[Kind],
        keeps: bool = False,
        everything: bool = False,
        ground: Hashes | None = None,
    ) -> None:
        self._store = store
        self._driver = driver
        self._now: dict[Kind, _Now] = {}
        # Who is in a group is not in the ground.
        wanted = [] if store.scope.groups else [kind for kind in PROVEN if kind in kinds]
        found = StoreProof.objects.filter(store=store, kind__in=wanted)
        kept = {Kind(proof.kind): proof for proof in found}
        if wanted := [kind for kind in wanted if keeps or kind in kept]:
            self._hash(wanted, {} if everything else kept, ground)

    def unwanted_pages(self, kind: Kind) -> Iterator[Page]:
        """What must go or be locked (desired.unwanted_pages), of what may have changed."""
        yield from unwanted_pages(store=self._store, kind=kind, part=self._part(kind))

    def wanted_pages(self, kind: Kind) -> Iterator[Page]:
        """What should stand there, by pages: what may have changed, and what was open before."""
        part = self._part(kind)
        yield from wanted_pages(store=self._store, kind=kind, part=part)
        if part is not None:
            keys = self._open_keys(kind)
            for start in range(0, len(keys), PAGE):
                yield page_of(store=self._store, kind=kind, keys=keys[start : start + PAGE])

    def keep(self, kind: Kind) -> None:
        """Note that all of `kind` is as wanted, but for what is kept as drift or still pending.

        Where rows were compared, what stands there is hashed once more. A part that changed between
        is not kept: nobody knows whether its rows were compared before or after.
        """
        now = self._now.get(kind)
        if now is None:
            return
        standing = now.standing
        if now.part is None or now.part.blocks or now.part.endings:
            again = self._standing([kind]).get(kind, {})
            standing = {place: each for place, each in standing.items() if again.get(place) == each}
        StoreProof.objects.update_or_create(
            store=self._store,
            kind=kind.value,
            defaults={
                "terms": now.terms, "ground": now.ground, "standing": standing,
                "at": timezone.now(),
            },
        )  # fmt: skip

    def _hash(
        self, kinds: Collection[Kind], kept: Mapping[Kind, StoreProof], ground: Hashes | None
    ) -> None:
        # Two databases work at the same time; the thread asks the store alone.
        with ThreadPoolExecutor(1) as beside:
            answer = beside.submit(self._standing, kinds)
            ground = read_ground() if ground is None else ground
            terms = terms_of(self._store)
        for kind, standing in answer.result().items():
            proof = kept.get(kind)
            part = None
            if proof is not None and proof.terms == terms:
                blocks = [int(block) for block in _changed(proof.ground, ground)]
                part = Part(blocks, _changed(proof.standing, standing))
            self._now[kind] = _Now(terms, ground, standing, part)

    def _standing(self, kinds: Collection[Kind]) -> dict[Kind, Hashes]:
        """Keyed, since behind the hash of a single row is the digest of a password."""
        found: dict[Kind, Hashes] = {}
        for kind in kinds:
            try:
                digests = self._driver.digests(kind)
            except Rejected as error:
                log.warning("rows are compared one by one", store=self._store.name, kind=kind,
                            reason=error.message)  # fmt: skip
                digests = None
            if digests is not None:
                found[kind] = {place: keyed_hash(each) for place, each in digests.items()}
        return found

    def _part(self, kind: Kind) -> Part | None:
        now = self._now.get(kind)
        return None if now is None else now.part

    def _open_keys(self, kind: Kind) -> list[str]:
        """What differed before or is not done yet: that it has not changed says nothing."""
        drift = Drift.objects.filter(store=self._store, kind=kind).values_list("key", flat=True)
        pending = PendingChange.objects.filter(store=self._store, kind=kind)
        waiting = pending.exclude(key=PendingChange.ALL).values_list("key", flat=True)
        return sorted({*drift, *waiting})


def _changed(before: Hashes, now: Hashes) -> list[str]:
    return [place for place in {**before, **now} if before.get(place) != now.get(place)]
