"""Choices of one row: the only one is chosen, and where there is none it is said where to begin."""

from __future__ import annotations

from django import forms
from django.urls import reverse
from django.utils.html import format_html

_FIRST = {"domain": ("domain-new", "Add a SIP domain"), "pool": ("pool-new", "Add a pool")}


def choose_the_only(form: forms.BaseForm, *names: str) -> None:
    """Nobody has to choose what there is only one of, or wonders why there is nothing to choose."""
    for name in names:
        field = form.fields[name]
        rows = list(field.queryset[:2])  # type: ignore[attr-defined]
        if len(rows) == 1 and not form.initial.get(name):
            form.initial[name] = rows[0].pk
        elif not rows:
            page, label = _FIRST[name]
            field.empty_label = "None yet"  # type: ignore[attr-defined]
            field.help_text = format_html('<a href="{}">{}</a> first.', reverse(page), label)
