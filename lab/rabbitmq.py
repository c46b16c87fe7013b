"""A RabbitMQ server."""

from pathlib import Path

from lab.ports import HOST, listening
from lab.process import Counterpart, Process, wait_until
from lab.state import State, write_private

# Debian's own start script changes to the service's account; this is what it calls.
PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
USER = "rtcadmin"
CONFIGURATION = """\
listeners.tcp.local = {host}:{port}
default_user = {user}
default_pass = {password}
log.file = false
log.console = true
log.console.level = warning
disk_free_limit.absolute = 10MB
"""


class Rabbitmq(Counterpart):
    """RabbitMQ on loopback with a user of its own, beside any other on the machine.

    Erlang's port mapper (epmd) runs for it alone, and outlives a crash of the server.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        state = State(self.directory)
        self.port = state.port("rabbitmq")
        mapper, distribution = state.port("epmd"), state.port("distribution")
        self._password = state.secret("rabbitmq")
        self.url = f"amqp://{USER}:{self._password}@{HOST}:{self.port}//"
        self._configuration = self.directory / "rabbitmq.conf"
        home = {"HOME": str(self.directory), "ERL_EPMD_PORT": str(mapper)}
        self._mapper = Process(
            "epmd",
            ["epmd", "-address", HOST],
            log=self.directory / "epmd.log",
            environment=home,
        )
        self._mapper_port = mapper
        self.process = Process(
            "rabbitmq",
            [PROGRAM],
            log=self.directory / "rabbitmq.log",
            environment={
                **home,
                "RABBITMQ_NODENAME": f"rtcadmin-{self.port}@localhost",
                "RABBITMQ_DIST_PORT": str(distribution),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                    "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
                ),
                "RABBITMQ_CONFIG_FILE": str(self._configuration),
                "RABBITMQ_CONF_ENV_FILE": "/dev/null",
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
                "RABBITMQ_LOG_BASE": str(self.directory),
                "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
                "RABBITMQ_PID_FILE": str(self.directory / "pid"),
            },
        )

    def start(self) -> None:
        text = CONFIGURATION.format(host=HOST, port=self.port, user=USER, password=self._password)
        write_private(self._configuration, text)
        self._mapper.start(lambda: listening(self._mapper_port))
        self.process.start(lambda: listening(self.port))

    def kill(self) -> None:
        """Ends it at once, as a crash would; returns once its port is free."""
        self.process.kill()
        wait_until(lambda: not listening(self.port), timeout=30, what="RabbitMQ is gone")

    def stop(self) -> None:
        self.process.stop(patience=10)
        self._mapper.stop()
