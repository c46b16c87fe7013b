"""Downloads that are made while they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from django.http import StreamingHttpResponse


def stream(
    pieces: Iterable[bytes] | Iterable[str], content_type: str, file_name: str
) -> StreamingHttpResponse:
    """`pieces` as a download that no cache keeps."""
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["Cache-Control"] = "no-store"
    return response


def send_csv(lines: Iterable[str], file_name: str) -> StreamingHttpResponse:
    """CSV as a download; begins with the mark by which spreadsheets know UTF-8."""
    return stream(chain(("\ufeff",), lines), "text/csv; charset=utf-8", file_name)
