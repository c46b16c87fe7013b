"""Filters and sorting of a list, as links and choices that a template can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django import forms
from django.http import QueryDict

SEARCH = "q"
SORT = "sort"
PAGING = ("cursor", "page")


class Choice(NamedTuple):
    """One value that a filter offers."""

    value: str
    label: str
    chosen: bool


class Facet(NamedTuple):
    """One filter: kind is "choices", "switch", "day" or "text"."""

    name: str
    label: str
    kind: str
    multiple: bool
    choices: list[Choice]
    value: str


class Chip(NamedTuple):
    """One value the list is filtered by, and the link without it."""

    label: str
    value: str
    href: str


def facets(form: forms.BaseForm, query: QueryDict) -> list[Facet]:
    """The filters of a form in order, without the search field and hidden fields.

    A choice among nothing, such as of sites before there is one, is left out.
    """
    found = [
        _facet(name, field, query)
        for name, field in form.fields.items()
        if name != SEARCH and not field.widget.is_hidden
    ]
    return [facet for facet in found if facet.kind != "choices" or facet.choices]


def _facet(name: str, field: forms.Field, query: QueryDict) -> Facet:
    label = str(field.label or name.replace("_", " ").capitalize())
    offered = getattr(field, "choices", None) or getattr(field.widget, "choices", ())
    if isinstance(field, forms.BooleanField) and not isinstance(field, forms.NullBooleanField):
        return Facet(name, label, "switch", False, [], query.get(name, ""))
    if not offered:
        kind = "choices" if isinstance(field, forms.ChoiceField) else "text"
        kind = "day" if isinstance(field, forms.DateField) else kind
        return Facet(name, label, kind, False, [], query.get(name, ""))
    multiple = isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField)
    wanted = set(query.getlist(name))
    choices = [
        Choice(str(value), str(text), str(value) in wanted)
        for value, text in _flat(offered)
        if str(value) != ""
    ]
    return Facet(name, label, "choices", multiple, choices, query.get(name, ""))


def _flat(choices: object) -> Iterator[tuple[object, object]]:
    """The choices of a field with its groups opened."""
    for value, label in choices:  # type: ignore[attr-defined]  # forms type choices as a union
        if isinstance(label, list | tuple):
            yield from label
        else:
            yield value, label


def chosen(form: forms.BaseForm, query: QueryDict) -> list[Chip]:
    """A chip for every value in use, in the order of the filters."""
    chips = []
    for facet in facets(form, query):
        if facet.kind == "choices":
            chips += [
                Chip(facet.label, choice.label, without(query, facet.name, choice.value))
                for choice in facet.choices
                if choice.chosen
            ]
        elif facet.value:
            text = "Yes" if facet.kind == "switch" else facet.value
            chips.append(Chip(facet.label, text, without(query, facet.name, facet.value)))
    return chips


def without(query: QueryDict, name: str, value: str) -> str:
    """The query string without one value, from the first page on."""
    changed = _first_page(query)
    changed.setlist(name, [kept for kept in changed.getlist(name) if kept != value])
    return "?" + changed.urlencode()


def sort_link(query: QueryDict, key: str) -> tuple[str, str]:
    """The link that sorts by `key`, and how the list is sorted by it now.

    The second is "ascending", "descending" or empty; the link turns the direction round.
    """
    current = query.get(SORT, "")
    direction = {key: "ascending", f"-{key}": "descending"}.get(current, "")
    changed = _first_page(query)
    changed[SORT] = f"-{key}" if direction == "ascending" else key
    return "?" + changed.urlencode(), direction


def _first_page(query: QueryDict) -> QueryDict:
    changed = query.copy()
    for name in PAGING:
        changed.pop(name, None)
    return changed
