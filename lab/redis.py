"""A Redis server."""

from pathlib import Path

from lab.ports import HOST, listening
from lab.process import Counterpart, Process
from lab.state import State, write_private


class Redis(Counterpart):
    """Redis on loopback with a password; every write is appended to a file, so it survives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._state = State(self.directory)
        self.port = self._state.port("redis")
        self.url = f"redis://:{self._state.secret('redis')}@{HOST}:{self.port}/0"
        self._configuration = self.directory / "redis.conf"
        self.process = Process(
            "redis",
            ["redis-server", str(self._configuration)],
            log=self.directory / "redis.log",
        )

    def start(self) -> None:
        settings = {
            "bind": HOST,
            "port": self.port,
            "requirepass": self._state.secret("redis"),
            "dir": self.directory,
            "appendonly": "yes",
            "save": '""',
        }
        write_private(self._configuration, "".join(f"{k} {v}\n" for k, v in settings.items()))
        self.process.start(lambda: listening(self.port))

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self.process.kill()

    def stop(self) -> None:
        self.process.stop()
