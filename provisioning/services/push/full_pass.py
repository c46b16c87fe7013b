"""A full pass: everything of the marked kinds is compared with a store, page by page."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import structlog

from provisioning.drivers.base import Kind
from provisioning.models import PendingChange
from provisioning.services.ahead import read_ahead
from provisioning.services.push import outbox
from provisioning.services.push.activation import activate_servers
from provisioning.services.push.claimed import Claimed, claim
from provisioning.services.push.desired import Desired, Page, derive
from provisioning.services.push.proof import PROVEN, Look
from provisioning.services.push.push_record import end_doubt, in_doubt
from provisioning.services.push.store_push import GENERAL, Doubt, StorePush

log = structlog.stdlib.get_logger(__name__)

# A page, with what should be there; None where that is still to be made.
Prepared = tuple[Page, Desired | None]


class FullPass:
    """The full pass of one push over all kinds that are marked."""

    def __init__(self, push: StorePush) -> None:
        self._push = push
        self._store = push.store

    def run(self) -> None:
        """Compare all of the marked kinds, page by page: what must go first, then the rest.

        All that may have changed since a look for drift found it right. What stays to be done for
        single keys becomes a pending change of its own.
        """
        ready = outbox.pending(store_id=self._store.pk)
        whole = {each.kind: each for each in claim(ready.filter(key=PendingChange.ALL))}
        failed: set[tuple[Kind, str]] = set()
        look = Look(self._store, self._push.driver, kinds=whole)
        passes = [(kind, look.unwanted_pages) for kind in reversed(Kind) if kind in whole]
        passes += [(kind, look.wanted_pages) for kind in Kind if kind in whole]
        dead = claim(PendingChange.objects.filter(store=self._store, kind__in=whole, dead=True))
        doubt = in_doubt(store=self._store) if passes and not self._push.mend else None
        for kind, pages in passes:
            with closing(self._prepared(kind, pages(kind))) as all_prepared:
                for prepared in all_prepared:
                    if self._push.is_over() or not self._may_go_on(whole[kind]):
                        return
                    found = self._page(kind, prepared, dead, doubt, whole[kind].stage)
                    failed |= {(kind, key) for key in found}
            if pages == look.wanted_pages:
                # What was given up before and looks right now is tried once more by itself.
                others = [each.key for each in dead if each.kind is kind]
                self._push.mark(kind, [key for key in others if (kind, key) not in failed])
                self._push.settle([whole[kind]])
            activate_servers(store=self._store)
        if len(whole) == len(Kind):
            end_doubt(store=self._store)

    def _prepared(self, kind: Kind, pages: Iterator[Page]) -> Generator[Prepared]:
        """Each page, with what should be there; single keys are brought after each of them.

        Where pages are large, the next one is made meanwhile. Not what was made before single keys
        were brought, for it may say what they were then.
        """
        if kind not in PROVEN:
            for page in pages:
                yield page, None
                self._push.single_keys()
            return
        outdated = False
        with closing(read_ahead(self._prepare(kind, page) for page in pages)) as ahead:
            for page, desired in ahead:
                if outdated:
                    yield self._push.page_of(kind, page.keys), None
                else:
                    yield page, desired
                outdated = self._push.single_keys()

    def _prepare(self, kind: Kind, page: Page) -> Prepared:
        try:
            return page, derive(store=self._store, kind=kind, page=page)
        except Exception:  # noqa: BLE001  # raised again where the page is tried key by key
            return page, None

    def _page(
        self,
        kind: Kind,
        prepared: Prepared,
        dead: Sequence[Claimed],
        doubt: Doubt | None,
        stage: int | None,
    ) -> list[str]:
        """Make one page of a full pass so; returns the keys that failed."""
        page, desired = prepared
        try:
            difference = self._push.difference(kind, page, desired, doubt)
            # Noted before the rows change, so that no crash forgets their registrations.
            self._push.mark(kind, [*difference.revoked(), *difference.moving])
            results = self._push.write([difference], stage)
        except GENERAL:
            raise
        except Exception:
            log.exception("page tried key by key", store=self._store.name, kind=kind)
            held = outbox.held_keys(store_id=self._store.pk, kind=kind)
            self._push.mark(kind, [key for key in page.keys if key not in held], stage)
            return list(page.keys)
        self._push.count(results.values())
        given_up = {each.key for each in dead if each.kind is kind}
        failed = list(results[kind].failed)
        self._push.mark(kind, [key for key in failed if key not in given_up], stage)
        return failed

    def _may_go_on(self, whole: Claimed) -> bool:
        """Whether the stage that a full pass belongs to is still open."""
        if whole.stage is None:
            return True
        return outbox.pending(store_id=self._store.pk).filter(pk=whole.pk).exists()
