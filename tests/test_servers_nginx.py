"""The private nginx server of the tests."""

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


def get_text(port: int, **headers: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse().read().decode()
    connection.close()
    return response


def test_nginx_site_is_served_on_allocated_ports() -> None:
    with Nginx(SITE) as nginx:
        assert get_text(nginx.port, X_Name="Grace") == "Grace from the first"
        assert get_text(nginx.plain_port) == "from the second"


def test_nginx_restarted_after_kill_keeps_its_port() -> None:
    with Nginx(SITE) as nginx:
        nginx.kill()
        with pytest.raises(ConnectionRefusedError):
            get_text(nginx.port)
        nginx.start()
        assert get_text(nginx.port)


def test_nginx_invalid_config_raises_with_its_message() -> None:
    nginx = Nginx("server { listen 443; no_such_word on; }")
    with pytest.raises(RuntimeError, match="no_such_word"):
        nginx.start()
    nginx.close()


def test_nginx_two_instances_use_different_ports() -> None:
    with Nginx(SITE) as first, Nginx(SITE) as second:
        assert len({first.port, first.plain_port, second.port, second.plain_port}) == 4
        for nginx in (first, second):
            with socket.create_connection(("127.0.0.1", nginx.port), 5):
                pass
