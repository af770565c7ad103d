"""Real servers for the tests, each private: a free loopback port, a folder of its own, gone with the process."""

from tests.servers.binaries import Binaries, Missing, binaries
from tests.servers.certificates import Certificate
from tests.servers.databases import MariaDB, Redis
from tests.servers.mail import Received, SmtpSink
from tests.servers.process import free_port

__all__ = ["Binaries", "Certificate", "MariaDB", "Missing", "Received", "Redis", "SmtpSink", "binaries", "free_port"]
