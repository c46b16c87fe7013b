"""Downloads that are made while they are sent."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import StreamingHttpResponse


def stream(
    pieces: Iterable[bytes] | Iterable[str], content_type: str, file_name: str
) -> StreamingHttpResponse:
    """`pieces` as a download that no cache keeps."""
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["Cache-Control"] = "no-store"
    return response
