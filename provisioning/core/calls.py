"""What numbers are: the categories of calls that accounts may, or may not, make."""

from __future__ import annotations

from enum import StrEnum

from provisioning.core.errors import InvalidInput


class Category(StrEnum):
    """What numbers are, which decides who may call them; emergency numbers everybody may."""

    INTERNAL = "internal"
    NATIONAL = "national"
    MOBILE = "mobile"
    FREEPHONE = "freephone"
    SHARED_COST = "shared_cost"
    PREMIUM = "premium"
    INTERNATIONAL = "international"
    EMERGENCY = "emergency"

    @property
    def label(self) -> str:
        """The word for it on every page."""
        return self.value.replace("_", " ").capitalize()


# What an account may be allowed; emergency numbers need no permission.
CLASSES = tuple(each.value for each in Category if each is not Category.EMERGENCY)


def check_class(text: str) -> str:
    """The category that a text names; raises InvalidInput where it names none."""
    name = text.strip().lower().replace(" ", "_")
    if name not in CLASSES:
        raise InvalidInput(f"“{text[:40]}” is none of {', '.join(CLASSES)}.")
    return name
