"""What a counterpart keeps between two starts: its ports and its secrets, in one private file."""

import json
import os
import secrets
from pathlib import Path

from lab.ports import free_port


class State:
    """Values made at first use and the same ever after, kept 0600 in `directory`/state.json."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "state.json"
        self._values: dict[str, str | int] = {}
        if self._file.exists():
            self._values = json.loads(self._file.read_text())

    def port(self, name: str, *, wanted: int | None = None) -> int:
        """`wanted` from now on, or a port that was free for TCP and UDP when first asked for."""
        if wanted is not None:
            return int(self._keep(f"{name}_port", wanted))
        return int(self._values.get(f"{name}_port") or self._keep(f"{name}_port", free_port()))

    def secret(self, name: str) -> str:
        """A random secret of letters, digits, `-` and `_`."""
        key = f"{name}_secret"
        return str(self._values.get(key) or self._keep(key, secrets.token_urlsafe(18)))

    def _keep(self, key: str, value: str | int) -> str | int:
        self._values[key] = value
        write_private(self._file, json.dumps(self._values, indent=1))
        return value


def write_private(file: Path, text: str) -> None:
    """Writes a file that its owner alone may read, whole or not at all."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    draft.replace(file)
