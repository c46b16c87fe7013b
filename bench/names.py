"""Who works in the company that web and export are measured on, all by serial number."""

from __future__ import annotations

from provisioning.core.text import ascii_fold

PEOPLE = 100_000
GIVEN_NAMES = (
    "Ann", "Bilal", "Chloé", "Dmitri", "Elif", "Farah", "Gustav", "Hana", "Iñigo", "Jürgen",
    "Katarzyna", "Liam", "Mei", "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Søren", "Tomás",
)  # fmt: skip
SURNAMES = (
    "Lee", "Müller", "García", "Kowalski", "Nakamura", "Okafor", "Petrov", "Rossi", "Dubois",
    "Andersson", "O'Neil", "Hernández", "Schmidt", "Tanaka", "Varga", "Yilmaz", "Zhang", "Novák",
    "de Vries", "Brown",
)  # fmt: skip
# One in RARE has this surname; every second person is in the northern domain.
RARE, RARE_SURNAME = 1000, "Featherstonehaugh"
DOMAINS = ("north.example", "south.example")
USER, PASSWORD = "bench", "a bench needs no secret"
OFFICES = ("London", "Berlin", "Madrid", "Tokyo")


def name_of(n: int) -> tuple[str, str]:
    """Given name and surname of person `n`."""
    given = GIVEN_NAMES[n % len(GIVEN_NAMES)]
    if n % RARE == 0:
        return given, RARE_SURNAME
    return given, SURNAMES[n // len(GIVEN_NAMES) % len(SURNAMES)]


def user_part_of(n: int) -> str:
    """The user part of person `n`'s SIP URI, which nobody else's contains."""
    given, surname = name_of(n)
    letters = "".join(filter(str.isalpha, ascii_fold(surname)))
    return f"{ascii_fold(given[0])}.{letters}.{n:06d}".lower()


def number_of(n: int) -> str:
    """The number of person `n`."""
    return f"+4930{n:08d}"
