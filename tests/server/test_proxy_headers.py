"""What proxies, browsers, phones and HTTP libraries add to a request does not change its response."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import free_port
from tests.support.users import GRACE

ORIGIN = b"https://app.example.com"
JSON = b"Content-Type: application/json"
# With a token, these would end the session or exceed the limit of a user.
WITHOUT_TOKEN = {"DELETE", "/auth/logout", "/users/account/restore", "/users/export"}
BOM = b"\xef\xbb\xbf"
COOKIES = b"Cookie: " + b"; ".join(b"other%d=%s" % (number, b"x" * 4000) for number in range(4))
TRACING = (
    *(b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"tracestate: rojo=1,congo=t61"),
    *(b"baggage: sentry-release=1.0,user=Z%C3%BC", b"b3: 80f198ee56343ba8-e457b5a2e4d86bd1-1", b"sentry-trace: 1-2-1"),
    *(b"X-Amzn-Trace-Id: Root=1-67891233-abcdef", b"X-Cloud-Trace-Context: 105445aa7843bc8bf206b120001000/0;o=1"),
)


@dataclass(frozen=True)
class Sender:
    """A client or proxy: what it adds to a request, and the forms in which it writes the rest.

    Args:
        target: the request target; {} is the path.
        body: a body in place of `{}`.
    """

    headers: tuple[bytes, ...]
    version: bytes = b"HTTP/1.1"
    target: bytes = b"{}"
    content_type: bytes = JSON
    body: bytes = b"{}"
    is_chunked: bool = False
    connection: bytes = b"Connection: close"

    def request(self, method: str, path: str, *headers: bytes, has_body: bool) -> bytes:
        lines = [b"%s %s %s" % (method.encode(), self.target.replace(b"{}", path.encode()), self.version)]
        lines += [b"Host: auth.example.com", self.connection, *self.headers, *headers]
        if not has_body:
            return b"\r\n".join([*lines, b"", b""])
        framing = b"Transfer-Encoding: chunked" if self.is_chunked else b"Content-Length: %d" % len(self.body)
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.body), self.body) if self.is_chunked else self.body
        return b"\r\n".join([*lines, self.content_type, framing, b"", body])


PLAIN = Sender(())
SENDERS = {
    "Cloudflare": Sender(
        (
            *("CF-IPCity: Zürich".encode(), b"CF-Region: Z\xfcrich", b"CF-IPCountry: CH", b"CF-Ray: 8f0-ZRH"),
            *(b"CF-Connecting-IP: 203.0.113.9", b'CF-Visitor: {"scheme":"https"}', b"CDN-Loop: cloudflare; loops=1"),
            *(b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Proto: https", b"Accept-Encoding: gzip, br"),
        )
    ),
    "nginx": Sender((b"X-Real-IP: 203.0.113.9", b"X-Forwarded-For: 203.0.113.9"), version=b"HTTP/1.0"),
    "Apache": Sender(
        (b"X-Forwarded-Host: auth.example.com", b"X-Forwarded-Server: p.example.com", b"Via: 1.1 p"),
        connection=b"Connection: Keep-Alive",
    ),
    "HAProxy": Sender(
        (b"x-forwarded-for: 203.0.113.9", b"forwarded: for=203.0.113.9;proto=https", b"x-unique-id: CB00:1"),
        content_type=JSON.lower(),
        connection=b"connection: close",
    ),
    "AWS ALB": Sender((b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Port: 443", *TRACING)),
    "iOS": Sender(
        (
            *(b"User-Agent: M\xc3\xbcsli/1 CFNetwork/3826.500 Darwin/24.4.0", b"Accept-Language: de-CH,de;q=0.9"),
            *(b"Accept: */*", b"Accept-Encoding: gzip, deflate, br", b"Priority: u=3, i"),
        ),
        connection=b"Connection: keep-alive",
    ),
    "Android": Sender(
        (b"User-Agent: okhttp/4.12.0", b"Accept-Encoding: gzip"),
        content_type=b"Content-Type: application/json; charset=utf-8",
        connection=b"Connection: Keep-Alive",
    ),
    "curl": Sender((b"User-Agent: curl/8.5.0", b"Accept: */*", b"Expect: 100-continue")),
    "requests": Sender((b"User-Agent: python-requests/2.32", b"Accept-Encoding: gzip, deflate, zstd", b"Accept: */*")),
    "axios": Sender(
        (b"Accept: application/json, text/plain, */*", b"X-Requested-With: XMLHttpRequest", b"Origin: " + ORIGIN),
        content_type=b"Content-Type: application/json;charset=UTF-8",
    ),
    "browser": Sender(
        (
            *(COOKIES, b"Referer: https://app.example.com/Z\xfcrich", b"Sec-Fetch-Mode: cors", b"Origin: " + ORIGIN),
            *(b"DNT: 1", b'Sec-CH-UA: "Not A;Brand";v="99"', *TRACING),
        )
    ),
    "Go": Sender((b"User-Agent: Go-http-client/1.1", b"Accept-Encoding: gzip"), is_chunked=True),
    "Java HttpClient": Sender(
        (
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            b"User-Agent: Java-http-client/21",
        ),
        connection=b"Connection: Upgrade, HTTP2-Settings",
    ),
    "Java HttpURLConnection": Sender((b"Accept: text/html, image/gif, image/jpeg, */*; q=0.2", b"Content-Encoding: ")),
    ".NET": Sender(
        (b"Request-Id: |1.2.", b"Correlation-Context: a=b", b"Expect: 100-continue"),
        content_type=b'Content-Type: application/json; charset="utf-8"',
        body=BOM + b"{}",
    ),
    "forward proxy": Sender((b"Proxy-Connection: keep-alive",), target=b"http://auth.example.com{}"),
    "link with tracking": Sender((), target=b"{}?utm_source=mail&utm_source=b&fbclid=1&_=17"),
    "link with question mark": Sender((), target=b"{}?"),
    "upper-case names": Sender((b"ACCEPT: */*", b"X-FORWARDED-FOR: 203.0.113.9"), content_type=JSON.upper()),
}


@dataclass(frozen=True)
class Target:
    """A running server, a token of its user, and its operations with the status of a plain request."""

    port: int
    token: bytes
    operations: dict[tuple[str, str], bool]  # method and path: has a JSON body

    def send(self, sender: Sender, method: str, path: str, *headers: bytes) -> HTTPResponse:
        has_body = self.operations.get((method, path), False)
        if {method, path}.isdisjoint(WITHOUT_TOKEN):
            headers = (*headers, b"Authorization: Bearer " + self.token)
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=30)) as connection:
            connection.sendall(sender.request(method, path, *headers, has_body=has_body))
            response = HTTPResponse(connection, method=method)
            response.begin()
            response.read()
            return response


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    port = free_port()
    settings = {
        "RATE_LIMIT_FACTOR": "1000",
        "CORS_ORIGINS": ORIGIN.decode(),
        "TRUSTED_PROXIES": "127.0.0.1",
        "EMAIL_SIGN_IN": "true",
    }
    workspace = Workspace(tmp_path_factory.mktemp("proxies"), settings)
    with (
        workspace.start("flaskauth", "serve", "--port", str(port), "--workers", "1") as server,
        closing(HttpClient(port)) as http_client,
    ):
        server.wait_until(http_client.is_ready)
        http_client.post("/auth/register", GRACE).expect()
        http_client.post("/auth/verify", {"otp": http_client.code_for(GRACE["email"])}).expect()
        token = http_client.post("/auth/login", {name: GRACE[name] for name in ("email", "password")}).expect()["token"]
        paths = http_client.get("/openapi.json").expect()["paths"]
        operations = {
            (method.upper(), re.sub(r"{\w+_id}", "1", path).replace("{name}", "x")): (
                "application/json" in operation.get("requestBody", {}).get("content", {})
            )
            for path, methods in paths.items()
            for method, operation in methods.items()
        }
        yield Target(port, token.encode(), operations)


@pytest.fixture(scope="module")
def plain_statuses(target: Target) -> dict[tuple[str, str], int]:
    return {operation: target.send(PLAIN, *operation).status for operation in target.operations}


@pytest.mark.parametrize("name", SENDERS)
def test_proxy_headers_do_not_change_the_status(
    target: Target, plain_statuses: dict[tuple[str, str], int], name: str
) -> None:
    assert len(plain_statuses) > 30
    hidden = {path for _, path in plain_statuses if path.startswith(("/dev/", "/metrics"))}  # from proxies
    statuses = {key: target.send(SENDERS[name], *key).status for key in plain_statuses if key[1] not in hidden}

    assert statuses == {key: plain_statuses[key] for key in statuses}


def test_mailbox_is_hidden_from_http_1_0_requests(target: Target) -> None:
    """nginx with `proxy_pass` alone sends HTTP/1.0, its own Host and no header that shows a proxy."""
    statuses = []
    for version in (b"HTTP/1.1", b"HTTP/1.0"):
        with closing(socket.create_connection(("127.0.0.1", target.port), timeout=30)) as connection:
            connection.sendall(b"HEAD /dev/mailbox %s\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % version)
            response = HTTPResponse(connection, method="HEAD")
            response.begin()
            statuses.append(response.status)

    assert statuses == [200, 404]


@pytest.mark.parametrize("body", [b"", b"{}", BOM + b"{}"], ids=["empty", "object", "BOM"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_proxy_headers_with_optional_json_body_succeed(target: Target, body: bytes, is_chunked: bool) -> None:
    for content_type in (JSON, JSON + b"; charset=utf-8", JSON + b";charset=UTF-8", JSON + b'; charset="utf-8"'):
        sender = Sender((), content_type=content_type, body=body, is_chunked=is_chunked)
        assert target.send(sender, "POST", "/users/edit").status == 200, content_type


def test_proxy_headers_head_and_options_are_answered(target: Target) -> None:
    for method, path in target.operations:
        assert target.send(PLAIN, "OPTIONS", path).status == 200, path
        if method == "GET":
            assert target.send(PLAIN, "HEAD", path).status == target.send(PLAIN, "GET", path).status, path


@pytest.mark.parametrize("name", [*(header.partition(b":")[0].decode() for header in TRACING), "X-B3-TraceId"])
def test_tracing_headers_pass_the_cors_preflight(target: Target, name: str) -> None:
    headers = (
        *(b"Origin: " + ORIGIN, b"Access-Control-Request-Method: POST"),
        *(b"Access-Control-Request-Headers: content-type,%s" % name.lower().encode(),),
    )
    allowed = target.send(PLAIN, "OPTIONS", "/auth/login", *headers).headers["Access-Control-Allow-Headers"]

    assert set(allowed.split(", ")) == {"content-type", name.lower()}
