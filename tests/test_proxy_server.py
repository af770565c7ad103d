import http.client
import socket

import pytest
from tests.servers import Nginx

SITE = """
server {
    listen 443;
    listen [::]:443;
    return 200 "$http_x_name from the first";
}
server {
    listen 80;
    return 200 "from the second";
}
"""


def ask(port: int, **headers: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def test_a_site_is_served_at_ports_of_its_own() -> None:
    with Nginx(SITE) as nginx:
        assert ask(nginx.port, X_Name="Grace") == "Grace from the first"
        assert ask(nginx.plain_port) == "from the second"


def test_a_killed_nginx_is_gone_and_comes_back_at_the_same_port() -> None:
    with Nginx(SITE) as nginx:
        nginx.kill()
        with pytest.raises(ConnectionRefusedError):
            ask(nginx.port)
        nginx.start()
        assert ask(nginx.port)


def test_a_site_that_nginx_does_not_understand_is_told_in_its_words() -> None:
    nginx = Nginx("server { listen 443; no_such_word on; }")
    with pytest.raises(RuntimeError, match="no_such_word"):
        nginx.start()
    nginx.close()


def test_two_run_beside_each_other() -> None:
    with Nginx(SITE) as one, Nginx(SITE) as another:
        assert len({one.port, one.plain_port, another.port, another.plain_port}) == 4
        for nginx in (one, another):
            with socket.create_connection(("127.0.0.1", nginx.port), 5):
                pass
