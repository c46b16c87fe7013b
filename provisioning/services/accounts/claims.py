"""Claims: values that one account has at a time (SIP URIs, numbers), handed on within one plan."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Wish(Protocol):
    """An account that has `current` (empty for nothing) and shall have `wanted`.

    `holder` names whoever has `wanted` until now. With `keeps`, `current` stays taken after the
    change: only in a circle, which nothing else could open, is it given up all the same.
    """

    holder: str

    @property
    def wanted(self) -> str: ...

    @property
    def current(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def keeps(self) -> bool: ...

    def refuse(self, holder: str) -> None:
        """Leave the account what it has: `holder` has what it wants."""
        ...


W = TypeVar("W", bound=Wish)


class Claims(Generic[W]):
    """Who gets which value in one plan; holds only the values that the plan moves."""

    def __init__(self) -> None:
        self._claimed: dict[str, str] = {}
        self._released: set[str] = set()
        self._waiting: list[W] = []

    def holder(self, value: str) -> str:
        """Who claimed the value in this plan; empty for nobody."""
        return self._claimed.get(value, "")

    def take(self, value: str, name: str) -> None:
        """Note that `name`, who has nothing to give up, gets a value that nobody has."""
        self._claimed[value] = name

    def claim(self, wish: W) -> bool:
        """Give the wish its value, unless somebody claimed it before."""
        wanted = wish.wanted
        if wanted and wanted in self._claimed:
            wish.refuse(self._claimed[wanted])
            return False
        if wanted:
            self._claimed[wanted] = wish.name
        if wish.current and not wish.keeps:
            self._released.add(wish.current)
        return True

    def wait(self, wish: W) -> None:
        """Settle the wish with `finish`: somebody, its `holder`, has what it wants."""
        self._waiting.append(wish)

    def finish(self) -> list[W]:
        """Settle the wishes for what others have: given up meanwhile, in chains, in circles.

        A wish is refused when the holder of its value keeps it, and then, one after the other, so
        are the wishes for the value that it would have given up. Returns what is granted, whoever
        gives a value up before whoever takes it; the wishes of a circle stand together.
        """
        hopeful: dict[str, W] = {}
        for wish in self._waiting:
            rival = hopeful.get(wish.wanted)
            taken_by = rival.name if rival else self._claimed.get(wish.wanted)
            if taken_by is None:
                hopeful[wish.wanted] = wish
            else:
                wish.refuse(taken_by)
        self._waiting = []
        owners = {wish.current: wish for wish in hopeful.values() if wish.current}
        turning = _in_circles(hopeful, owners)
        given_up = self._released | {
            current for current, wish in owners.items() if not wish.keeps or current in turning
        }
        hopeless = [wish for wish in hopeful.values() if wish.wanted not in given_up]
        while hopeless:
            wish = hopeless.pop()
            if hopeful.pop(wish.wanted, None) is None:
                continue
            wish.refuse(wish.holder)
            if wish.current in hopeful:
                hopeless.append(hopeful[wish.current])
        return [wish for wish in _in_order(hopeful, owners) if self.claim(wish)]


def _in_circles(hopeful: dict[str, W], owners: dict[str, W]) -> set[str]:
    """The values that wishes have which want each other's, all around."""
    turning: set[str] = set()
    seen: set[str] = set()
    for wish in hopeful.values():
        path: list[str] = []
        on_path: set[str] = set()
        each: W | None = wish
        while each is not None and each.current and each.current not in seen:
            if each.current in on_path:
                turning.update(path[path.index(each.current) :])
                break
            path.append(each.current)
            on_path.add(each.current)
            each = owners.get(each.wanted)
        seen |= on_path
    return turning


def _in_order(hopeful: dict[str, W], owners: dict[str, W]) -> list[W]:
    ordered: dict[str, W] = {}
    for wish in hopeful.values():
        chain: dict[str, W] = {}
        each: W | None = wish
        while each is not None and each.wanted not in ordered and each.wanted not in chain:
            chain[each.wanted] = each
            after = owners.get(each.wanted)
            each = after if after is not None and hopeful.get(after.wanted) is after else None
        ordered.update(reversed(chain.items()))
    return list(ordered.values())
