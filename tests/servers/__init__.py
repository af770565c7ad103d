"""Private servers for the tests: each has a free loopback port and its own folder, and ends with the test process."""

from tests.servers.binaries import Binaries, ServerNotFoundError, find_binaries
from tests.servers.certificates import Certificate
from tests.servers.databases import MariaDB, Redis
from tests.servers.mysql import MYSQL_URL_VARIABLE, MySQL, mysql_server
from tests.servers.nginx import Nginx
from tests.servers.process import free_port
from tests.servers.smtp_sink import ReceivedMail, SmtpSink
from tests.servers.sql import PrivateSqlServer, SqlServer

__all__ = [
    "MYSQL_URL_VARIABLE",
    "Binaries",
    "Certificate",
    "MariaDB",
    "MySQL",
    "Nginx",
    "PrivateSqlServer",
    "ReceivedMail",
    "Redis",
    "ServerNotFoundError",
    "SmtpSink",
    "SqlServer",
    "find_binaries",
    "free_port",
    "mysql_server",
]
