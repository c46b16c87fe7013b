"""What numbers are: the categories of calls that accounts may, or may not, make."""

from __future__ import annotations

from enum import StrEnum


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
CLASSES = tuple(each for each in Category if each is not Category.EMERGENCY)
