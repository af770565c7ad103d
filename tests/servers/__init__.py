"""Real servers for the tests, each private: a free loopback port, a folder of its own, gone with the process."""

from tests.servers.binaries import Binaries, Missing, binaries
from tests.servers.certificates import Certificate
from tests.servers.databases import MariaDB, Redis
from tests.servers.mail import Received, SmtpSink
from tests.servers.mysql import GIVEN, MySQL, mysql_server
from tests.servers.process import free_port
from tests.servers.proxy import Nginx
from tests.servers.sql import PrivateSqlServer, SqlServer

__all__ = [
    "GIVEN",
    "Binaries",
    "Certificate",
    "MariaDB",
    "Missing",
    "MySQL",
    "Nginx",
    "PrivateSqlServer",
    "Received",
    "Redis",
    "SmtpSink",
    "SqlServer",
    "binaries",
    "free_port",
    "mysql_server",
]
