"""The tags and link builders that every page of the console is made of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django import forms
from django.http import QueryDict
from django.template import Context, Template, TemplateSyntaxError
from django.utils import timezone

from provisioning.core.states import State
from provisioning.web.lists import chosen, facets, sort_link
from provisioning.web.templatetags.console import ago, avatar_tone, compact, initials
from provisioning.web.words import badge_for


class SourceForm(forms.Form):
    """A form with one field of each look."""

    host = forms.CharField(help_text="Name or address.")
    port = forms.IntegerField(required=False)
    mode = forms.ChoiceField(choices=[("o", "Observe")], widget=forms.RadioSelect)
    enabled = forms.BooleanField(required=False)


class ListForm(forms.Form):
    """The filters of a list."""

    q = forms.CharField(required=False)
    state = forms.MultipleChoiceField(
        choices=[("active", "Active"), ("blocked", "Blocked")], required=False
    )
    site = forms.ChoiceField(
        choices=[("", "Any"), ("France", [("paris", "Paris")])], required=False
    )
    drifted = forms.BooleanField(required=False)


def rendered(source: str, **context: object) -> str:
    return Template("{% load console %}" + source).render(Context(context))


def test_an_icon_is_inline_and_hidden_from_screen_readers() -> None:
    markup = rendered('{% icon "phone" %}')
    assert markup.startswith('<svg class="icon"')
    assert 'aria-hidden="true"' in markup
    assert "style" not in markup


def test_a_misspelt_icon_is_found_while_the_page_is_written() -> None:
    with pytest.raises(TemplateSyntaxError, match="there is no icon 'fone'"):
        rendered('{% icon "fone" %}')


@pytest.mark.parametrize("state", list(State))
def test_every_account_state_has_a_badge_with_an_icon_that_exists(state: State) -> None:
    assert badge_for(state).label in rendered("{% status state %}", state=state)


def test_an_unknown_word_is_shown_as_it_is() -> None:
    assert "Half done" in rendered('{% status "half_done" %}')


def test_a_badge_escapes_what_it_is_given() -> None:
    assert "&lt;b&gt;" in rendered("{% badge label %}", label="<b>")


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Amara Anderson", "AA"),
        ("Anna Maria van der Berg", "AB"),
        ("prince", "P"),
        ("émile", "É"),
        ("(room) 4", "4"),
        ("  ", "?"),
    ],
)
def test_initials_are_two_letters_at_most(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_a_name_keeps_its_colour() -> None:
    assert avatar_tone("Amara Anderson") == avatar_tone("Amara Anderson")
    assert len({avatar_tone(f"name {number}") for number in range(50)}) > 3


@pytest.mark.parametrize(
    ("number", "text"),
    [(999, "999"), (1_000, "1k"), (1_284, "1.2k"), (99_999, "99k"), (100_000, "100k"), (None, "")],
)
def test_a_count_fits_a_narrow_place_and_never_claims_too_much(
    number: int | None, text: str
) -> None:
    assert compact(number) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=42), "42 seconds ago"),
        (timedelta(minutes=1, seconds=5), "1 minute ago"),
        (timedelta(hours=7), "7 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (-timedelta(minutes=5, seconds=1), "in 5 minutes"),
    ],
)
def test_times_read_like_speech(distance: timedelta, text: str) -> None:
    assert ago(timezone.now() - distance) == text


def test_what_never_happened_reads_never() -> None:
    assert ago(None) == "never"
    assert rendered("{% when moment %}", moment=None) == "never"


def test_a_field_ties_label_help_and_error_to_its_control() -> None:
    form = SourceForm({"host": "", "port": "x"})
    markup = rendered("{% field form.host %}", form=form)
    assert '<label for="id_host">' in markup
    assert 'aria-describedby="id_host_helptext id_host_error"' in markup
    assert 'id="id_host_helptext"' in markup
    assert 'id="id_host_error"' in markup
    assert 'aria-invalid="true"' in markup
    assert 'class="form-control"' in markup


def test_only_fields_that_may_stay_empty_are_marked() -> None:
    form = SourceForm()
    assert "(optional)" not in rendered("{% field form.host %}", form=form)
    assert "(optional)" in rendered("{% field form.port %}", form=form)


def test_a_form_with_errors_says_that_nothing_was_saved_and_where() -> None:
    form = SourceForm({"host": "", "port": "x", "mode": "o"})
    form.add_error(None, "The directory did not answer.")
    markup = rendered("{% form_fields form %}", form=form)
    assert "Nothing was saved." in markup
    assert "The directory did not answer." in markup
    assert 'href="#id_host"' in markup
    assert 'href="#id_port"' in markup
    assert markup.count('role="alert"') == 1


def test_filters_know_what_is_chosen_and_open_their_groups() -> None:
    state, site, drifted = facets(ListForm(), QueryDict("state=blocked&q=x"))
    assert [choice.value for choice in state.choices if choice.chosen] == ["blocked"]
    assert state.multiple
    assert [choice.value for choice in site.choices] == ["paris"]
    assert (site.multiple, drifted.kind) == (False, "switch")


def test_a_chip_takes_one_value_away_and_starts_at_the_first_page() -> None:
    query = QueryDict("q=a%26b&state=active&state=blocked&drifted=true&cursor=abc")
    chips = chosen(ListForm(), query)
    assert [(chip.label, chip.value) for chip in chips] == [
        ("State", "Active"),
        ("State", "Blocked"),
        ("Drifted", "Yes"),
    ]
    assert chips[0].href == "?q=a%26b&state=blocked&drifted=true"


@pytest.mark.parametrize(
    ("query", "link", "direction"),
    [
        ("", "?sort=name", ""),
        ("sort=name&cursor=abc", "?sort=-name", "ascending"),
        ("sort=-name", "?sort=name", "descending"),
        ("sort=site", "?sort=name", ""),
    ],
)
def test_a_column_head_turns_the_order_round(query: str, link: str, direction: str) -> None:
    assert sort_link(QueryDict(query), "name") == (link, direction)
