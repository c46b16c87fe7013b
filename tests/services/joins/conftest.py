"""Two forests in memory, read by one console."""

from tests.services.joins.forests import forests

__all__ = ["forests"]
