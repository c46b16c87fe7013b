"""What every page needs: icons, status badges, people, times, form fields and sortable heads."""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django import forms, template
from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from provisioning.web.lists import chosen, facets, sort_link
from provisioning.web.words import badge_for

register = template.Library()

# What a list repeats in every row is kept; `typed` keeps safe strings apart from others.
_KEPT = 4096
AVATAR_TONES = ("secondary", "blue", "green", "yellow", "accent")
CHECK_WIDGETS = (forms.CheckboxInput,)
SELECT_WIDGETS = (forms.Select, forms.SelectMultiple, forms.NullBooleanSelect)


@cache
def _svg(name: str) -> str:
    """The markup inside one vendored icon; an unknown name is a mistake in a template."""
    path = Path(settings.BASE_DIR) / "static/vendor/icons" / f"{name}.svg"
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise template.TemplateSyntaxError(f"there is no icon {name!r} in {path.parent}") from None
    inner = re.search(r"<svg[^>]*>(.*)</svg>", text, re.DOTALL)
    if inner is None:
        raise template.TemplateSyntaxError(f"{path} holds no <svg> element")
    return " ".join(inner[1].split())


@register.simple_tag(name="icon")
@cache
def _icon(name: str, extra_class: str = "") -> SafeString:
    """`{% icon "phone" %}`: one outline icon, 18 px, hidden from screen readers."""
    return format_html(
        '<svg class="icon{}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>',
        f" {extra_class}" if extra_class else "",
        mark_safe(_svg(name)),  # noqa: S308 - a file of the repository, not input
    )


@register.simple_tag(name="badge")
@lru_cache(_KEPT, typed=True)
def _badge(label: str, tone: str = "secondary", icon: str = "circle-dashed") -> SafeString:
    """`{% badge "Needs approval" "yellow" "alert-triangle" %}`: icon, word and colour."""
    return format_html('<span class="rt-badge rt-tone-{}">{}{}</span>', tone, _icon(icon), label)


@register.simple_tag
def status(word: str, label: str = "") -> SafeString:
    """`{% status account.state %}`: the badge of a known word, `label` replaces its text."""
    known = badge_for(str(word))
    return _badge(label or known.label, known.tone, known.icon)


@register.filter
def initials(name: str) -> str:
    """At most two letters for an avatar: of the first and the last word."""
    words = [word for word in re.split(r"[\s.@_-]+", str(name)) if word and word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
    return "".join(letters).upper() or "?"


@register.filter
def avatar_tone(name: str) -> str:
    """The same colour for the same name, on every page and machine."""
    return AVATAR_TONES[zlib.crc32(str(name).encode()) % len(AVATAR_TONES)]


@register.simple_tag
@lru_cache(_KEPT, typed=True)
def avatar(name: str, size: str = "") -> SafeString:
    """`{% avatar person.display_name "large" %}`: sizes are "", "small" and "large".

    Decoration: the name stands beside it.
    """
    return format_html(
        '<span class="rt-avatar{} rt-tone-{}" aria-hidden="true">{}</span>',
        f" rt-avatar-{size}" if size else "",
        avatar_tone(name),
        initials(name),
    )


@register.simple_tag(name="cells")
def _cells(cells: Iterable[tuple[str, str]]) -> SafeString:
    """`{% cells row.cells %}`: a <td> for each (CSS class, text); a long list has hundreds."""
    return mark_safe(  # noqa: S308 - every text is escaped
        "".join(f'<td class="{css}">{conditional_escape(text)}</td>' for css, text in cells)
    )


@register.filter
def compact(number: float | None) -> str:
    """A count for a narrow place: 999, 1.3k, 100k, 1.2m."""
    if number is None:
        return ""
    for factor, suffix in ((1_000_000, "m"), (1_000, "k")):
        if number >= factor:
            scaled = number / factor
            return f"{int(scaled * 10) / 10:g}{suffix}" if scaled < 10 else f"{int(scaled)}{suffix}"
    return f"{number:g}"


@register.filter
def ago(value: datetime | None) -> str:
    """How long ago, or until when, in plain English; "never" for no time at all."""
    if value is None:
        return "never"
    distance = timezone.now() - value
    if distance < -timedelta(minutes=1):
        # What was just given a day is there for a day, not for 23 hours.
        distance -= timedelta(seconds=30)
    words = _distance_in_words(abs(distance))
    if words is None:
        return timezone.localtime(value).strftime("%-d %b %Y")
    if not words:
        return "just now"
    return f"{words} ago" if distance > timedelta(0) else f"in {words}"


def _distance_in_words(distance: timedelta) -> str | None:
    """ "5 minutes"; empty below ten seconds, None where a date says more."""
    seconds = int(distance.total_seconds())
    if seconds < 10:
        return ""
    for limit, size, unit in ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour")):
        if seconds < limit:
            return _plural(seconds // size, unit)
    days = seconds // 86400
    return _plural(days, "day") if days < 30 else None


def _plural(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


@register.simple_tag
def when(value: datetime | None) -> str:
    """`{% when run.started %}`: a <time> that reads "5 minutes ago" and holds the exact time."""
    if value is None:
        return "never"
    return mark_safe(f"{_time_tag(value)}{ago(value)}</time>")  # noqa: S308 - made of numbers


# A sync gives thousands of rows the same time.
@lru_cache(_KEPT)
def _time_tag(value: datetime) -> str:
    exact = value.astimezone(UTC).isoformat(timespec="seconds")
    local = timezone.localtime(value).strftime("%-d %b %Y, %H:%M:%S %Z")
    return f'<time datetime="{exact}" title="{local}">'


@register.filter
def headline(text: object) -> str:
    """The first line of a message."""
    return str(text).partition("\n")[0]


@register.filter
def rest(text: object) -> str:
    """A message without its first line."""
    return str(text).partition("\n")[2]


@register.inclusion_tag("components/field.html")
def field(bound: forms.BoundField, mono: bool = False) -> dict[str, Any]:
    """`{% field form.host %}`: label, control, help, errors; `mono=True` for SIP URIs and DNs."""
    widget = bound.field.widget
    if isinstance(widget, CHECK_WIDGETS):
        kind, css = "check", "form-check-input"
    elif bound.use_fieldset:
        kind, css = "group", ""
    else:
        kind = "control"
        css = "form-select" if isinstance(widget, SELECT_WIDGETS) else "form-control"
    classes = " ".join(filter(None, [widget.attrs.get("class"), css, "rt-mono" if mono else ""]))
    control = "" if kind == "group" else bound.as_widget(attrs={"class": classes})
    return {"field": bound, "kind": kind, "control": control}


@register.inclusion_tag("components/form.html")
def form_fields(form: forms.BaseForm) -> dict[str, Any]:
    """`{% form_fields form %}`: what is wrong, hidden fields and every visible field in order."""
    return {"form": form}


@register.inclusion_tag("components/filter_bar.html", takes_context=True)
def filter_bar(
    context: template.RequestContext,
    form: forms.BaseForm,
    placeholder: str = "Search",
    target: str = "#results",
) -> dict[str, Any]:
    """`{% filter_bar filter.form "Name, SIP URI or phone" %}`: field "q" is the search."""
    request: HttpRequest = context["request"]
    return {
        "request": request,
        "facets": facets(form, request.GET),
        "search": form.fields.get("q"),
        "query": request.GET.get("q", ""),
        "sort": request.GET.get("sort", ""),
        "placeholder": placeholder,
        "target": target,
    }


@register.inclusion_tag("components/filter_chips.html", takes_context=True)
def filter_chips(
    context: template.RequestContext, form: forms.BaseForm, target: str = "#results"
) -> dict[str, Any]:
    """`{% filter_chips filter.form %}`: what the list is filtered by, each with its way out."""
    request: HttpRequest = context["request"]
    return {"request": request, "chips": chosen(form, request.GET), "target": target}


@register.inclusion_tag("components/sort_header.html", takes_context=True)
def sort_header(
    context: template.RequestContext,
    label: str,
    key: str,
    extra_class: str = "",
    target: str = "#results",
) -> dict[str, Any]:
    """`{% sort_header "Name" "name" %}`: a <th> that sorts by `?sort=name`, then `?sort=-name`."""
    link, direction = sort_link(context["request"].GET, key)
    return {
        "label": label,
        "link": link,
        "direction": direction,
        "extra_class": extra_class,
        "target": target,
    }


@register.simple_block_tag
def alert(content: str, tone: str = "blue", icon: str = "") -> SafeString:
    """`{% alert "red" %}<b>What happened.</b> What to do.{% endalert %}`"""
    return render_to_string(
        "components/alert.html", {"content": content, "tone": tone, "icon": icon}
    )


@register.simple_tag
def once() -> SafeString:
    """`{% once %}` in a form: sent twice, it does its work once (services/console/once.py)."""
    return format_html('<input type="hidden" name="once" value="{}">', secrets.token_urlsafe(12))


@register.simple_block_tag(takes_context=True)
def form_dialog(
    context: template.Context, content: str, id: str, title: str, action: str, form: forms.BaseForm
) -> SafeString:
    """`{% form_dialog "block" "Block" url form %}…{% endform_dialog %}`: keeps what was typed."""
    return render_to_string(
        "components/form_dialog.html",
        {
            "content": content, "id": id, "title": title, "action": action, "form": form,
            "csrf_token": context["csrf_token"],
        },
    )  # fmt: skip
