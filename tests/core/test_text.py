"""Names: what is shown, what is refused, how they compare."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.errors import InvalidInput
from provisioning.core.text import ascii_fold, clean_line, counted, fold, require_line, search_key

ANY_TEXT = st.text(st.characters(exclude_categories=()))
BREAKS = ["\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
CONTROLS = [
    "\x00", "\t", "\x07", "\x1b", "\x1f", "\x7f", "\x9b", "\u202e", "\u2066", "\ufeff", "\ufffe",
    "\uffff", "\ud800", "\udfff",
]  # fmt: skip


@pytest.mark.parametrize("character", BREAKS + CONTROLS, ids=ascii)
def test_a_line_break_or_control_is_refused_where_it_matters(character: str) -> None:
    for text in (f"a{character}b", character, f"a{character}"):
        with pytest.raises(InvalidInput, match="The display name contains a line break"):
            require_line(text, "The display name")


@pytest.mark.parametrize(
    "text", ["", "Ann O'Neill", "山田 太郎", "👩🏽\u200d💻", "a\u00a0b", "#;=[]"]
)
def test_any_printable_line_is_accepted_as_it_is(text: str) -> None:
    assert require_line(text, "The name") is text


@given(ANY_TEXT)
def test_what_is_accepted_is_one_line_that_can_be_written(text: str) -> None:
    try:
        require_line(text, "The name")
    except InvalidInput:
        return
    assert len(text.splitlines()) <= 1
    assert text.encode().decode() == text


def test_the_message_names_the_field_and_not_the_value() -> None:
    with pytest.raises(InvalidInput) as error:
        require_line("hunter2\n", "The password")
    assert "The password" in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("  Ann  Example ", "Ann Example"),
        ("Ann\r\nExample", "Ann Example"),
        ("Ann\tExample", "Ann Example"),
        ("Ann\u2028Example", "Ann Example"),
        ("Ann\x00 \x00Example\x1b", "Ann Example"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\ud83dAnn", "Ann"),
        ("\n", ""),
        ("Zoë\u00a0 Ångström", "Zoë Ångström"),
    ],
)
def test_a_value_is_shown_as_one_clean_line(value: str, shown: str) -> None:
    assert clean_line(value) == shown


@given(ANY_TEXT)
def test_a_cleaned_line_is_accepted_everywhere_and_stays_as_it_is(text: str) -> None:
    cleaned = clean_line(text)
    assert require_line(cleaned, "The name") == cleaned
    assert clean_line(cleaned) == cleaned


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("MÜLLER", "muller"),
        ("Straße", "STRASSE"),
        ("Zoë", "zoe\u0308"),
        ("\uff21nn", "ann"),
        ("İpek", "ipek"),
        (" Ann\u00a0 Example", "ann example"),
        ("ﬁnance", "Finance"),
    ],
)
def test_search_finds_a_name_however_it_is_written(left: str, right: str) -> None:
    assert fold(left) == fold(right)


def test_different_names_stay_different() -> None:
    assert fold("Ann") != fold("Anna")
    assert fold("山田") != fold("山本")


@given(ANY_TEXT)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_case_and_composition_make_no_difference(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(text.casefold()) == fold(text)


def test_a_search_key_joins_what_there_is() -> None:
    assert search_key("Ann Müller", "", "ann@example.com") == "ann muller ann@example.com"
    assert search_key("", "") == ""


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("Müller", "Muller"),
        ("Łukasz Ørsted", "Lukasz Orsted"),
        ("Straße", "Strasse"),
        ("Æsir Œuvre", "AEsir OEuvre"),
        ("Þór Đặng", "Thor Dang"),
        ("I\u015f\u0131k", "Isik"),
        ("山田", ""),
        ("plain", "plain"),
    ],
)
def test_letters_lose_their_accents_for_sip(value: str, plain: str) -> None:
    assert ascii_fold(value) == plain


@given(ANY_TEXT)
def test_an_ascii_fold_is_ascii(text: str) -> None:
    assert ascii_fold(text).isascii()


def test_one_of_something_is_not_several() -> None:
    assert [counted(each, "row") for each in (0, 1, 2, 1200)] == [
        "0 rows", "1 row", "2 rows", "1,200 rows",
    ]  # fmt: skip
