"""What all pages share: the check against forged forms, headers, languages, assets, errors and the setting."""

import io
import json
import re
from itertools import product
from typing import Any

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.support.inspect import statement_counts
from tests.support.route_catalog import example_path, is_page
from tests.support.users import PASSWORD, UserFactory
from tests.web.helpers import EMAIL, SAME_ORIGIN, Browser, signed_in

from flaskauth.core.translations import languages

FORGED = {
    "cross-site": {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:5000"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "navigation": {"Sec-Fetch-Site": "none"},
    "null origin": {"Origin": "null"},
    "no header": {},
    "empty origin": {"Origin": ""},
    "other port": {"Origin": "http://localhost:5001"},
    "other scheme": {"Origin": "https://localhost:5000"},
}
REGISTRATION = {"email": EMAIL, "password": PASSWORD, "first_name": "Grace", "last_name": ""}
UNSAFE_RETURN_URLS = (
    *("//evil.example", "/\\evil.example", "https://ok@evil.example", "%2f%2fevil.example", "/\r\nX: y"),
    *("https://app.example.com.evil.example/home", "https://app.example.com/home/x", "https://app.example.com"),
    *("/\t/evil.example", "javascript:alert(1)", "data:text/html,x", "", "evil", "/x y", "http:/evil.example"),
    *("/" + "x" * 3000, "/é", '/"', "\\\\evil.example", " /account"),
)


def test_post_page_from_another_origin_is_forbidden(app: Flask) -> None:
    browser = Browser(app)
    rules = [rule for rule in app.url_map.iter_rules() if is_page(rule) and "POST" in (rule.methods or ())]

    assert len(rules) > 30
    for rule, (name, headers) in product(rules, FORGED.items()):
        response = browser.send(example_path(rule), headers, {})
        assert (response.status_code, "Set-Cookie" in response.headers) == (403, False), (rule.rule, name)


def test_get_of_any_page_writes_nothing(app: Flask) -> None:
    browser = signed_in(app)
    paths = {example_path(rule) for rule in app.url_map.iter_rules() if is_page(rule)}

    assert {"/sign-out", "/account/delete", "/account/mfa/apps/1/confirm"} < paths
    with statement_counts(app) as counts:
        for path, method in product(sorted(paths), ("GET", "HEAD")):
            status = browser.client.open(f"{path}?method=POST&_method=POST&understood=1", method=method).status_code
            assert status in {200, 303, 404}, (path, method)
    assert [kind for kind in counts if not kind.startswith("SELECT")] == []


def test_form_of_another_origin_is_logged_with_public_url(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser(make_app())
    browser.send("/sign-in", {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, {})
    assert "form_rejected" not in capsys.readouterr().err

    page = browser.send("/sign-in", {"Origin": "http://192.168.1.20:5000"}, {})

    assert (page.status_code, "PUBLIC_URL" in page.text) == (403, False)
    [line] = [line for line in capsys.readouterr().err.splitlines() if "form_rejected" in line]
    event = json.loads(line)
    assert (event["origin"], event["public_url"]) == ("http://192.168.1.20:5000", "http://localhost:5000")


@pytest.mark.parametrize("origin", ["null", "http://[", "http://a event=sign_in", "http://a\x85"])
def test_form_of_an_invalid_origin_is_not_logged(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str], origin: str
) -> None:
    page = Browser(make_app()).send("/sign-in", {"Origin": origin}, {})

    assert page.status_code == 403
    assert "form_rejected" not in capsys.readouterr().err


def test_post_page_with_origin_only_is_accepted(app: Flask) -> None:
    assert Browser(app).send("/sign-in", {"Origin": "http://localhost:5000"}, {}).status_code == 422


@pytest.mark.parametrize("path", ["/sign-in", "/auth/revert-email-change", "/auth/report-sign-in"])
def test_page_has_security_headers(make_app: MakeApp, path: str) -> None:
    page = Browser(make_app(PUBLIC_URL="https://auth.example.com")).open(path)
    headers = page.headers

    assert page.status_code == 200
    assert not re.search(r"http|//", page.text)  # of another host
    assert not {"Server", "X-Powered-By", "Set-Cookie"} & set(headers.keys())
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert (headers["X-Content-Type-Options"], headers["Cross-Origin-Resource-Policy"]) == ("nosniff", "same-origin")
    assert headers["X-Request-ID"]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "form-action 'self'; frame-ancestors 'none'; base-uri 'none'" in policy
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("same-origin", "no-store")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Robots-Tag"] == "noindex"
    assert "publickey-credentials-get=(self)" in headers["Permissions-Policy"]
    assert set(headers["Vary"].split(", ")) >= {"Accept-Language", "Cookie"}


def test_page_csp_allows_forms_to_redirect_to_return_urls(make_app: MakeApp) -> None:
    app = make_app(RETURN_TO="https://app.example.com/home, com.example.app:/home, http://localhost:3000/x")

    policy = Browser(app).open("/sign-in").headers["Content-Security-Policy"]

    assert "form-action 'self' com.example.app: http://localhost:3000 https://app.example.com;" in policy


def test_sign_in_returns_to_safe_urls_only_and_without_token(make_app: MakeApp) -> None:
    app = make_app(RETURN_TO="https://app.example.com/home, com.example.app:/home")
    UserFactory(app).create_verified()

    for return_to in UNSAFE_RETURN_URLS:
        assert Browser(app).sign_in(return_to=return_to).headers["Location"] == "/account", return_to
    for return_to in ("/shop?item=1#top", "https://app.example.com/home", "com.example.app:/home"):
        assert Browser(app).sign_in(return_to=return_to).headers["Location"] == return_to


def test_return_to_setting_with_wildcard_or_http_is_rejected(make_app: MakeApp) -> None:
    for value in ("https://*.example.com", "http://app.example.com/", "javascript:x", "/home", "https://a@b.example/"):
        with pytest.raises(Exception, match="RETURN_TO"):
            make_app(RETURN_TO=value)


def test_pages_setting_false_returns_404(make_app: MakeApp) -> None:
    app = make_app(PAGES="false")

    for path in ("/sign-in", "/register", "/account", "/pages/x/pages.css"):
        assert app.test_client().get(path).status_code == 404
    assert app.test_client().get("/hello").status_code == 200


def test_page_language_follows_query_then_cookie(app: Flask) -> None:
    browser = Browser(app)

    assert '<html lang="ar" dir="rtl">' in browser.open("/sign-in?lang=ar").text
    assert '<html lang="ar" dir="rtl">' in browser.open("/register").text
    assert '<html lang="en" dir="ltr">' in browser.open("/register?lang=en").text
    assert '<html lang="en" dir="ltr">' in browser.open("/register?lang=xx").text
    french = app.test_client().get("/sign-in", headers={"Accept-Language": "fr"})
    assert (french.headers["Content-Language"], "Mot de passe" in french.text) == ("fr", True)


def test_page_language_is_that_of_the_user_without_cookie(app: Flask) -> None:
    UserFactory(app).create_verified(locale="sw")
    browser = Browser(app)
    browser.sign_in()

    assert '<html lang="sw" dir="ltr">' in browser.open("/account").text


def test_page_offers_every_language(app: Flask) -> None:
    offered = re.findall(r"<nav.*?</nav>", Browser(app).open("/sign-in").text, re.DOTALL)[0]

    assert set(re.findall(r' lang="(\w+)"', offered)) == set(languages())


def test_page_asset_is_immutable_and_bound_to_its_digest(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/sign-in").text

    for url in re.findall(r'(?:href|src)="(/pages/[^"]+)"', page):
        response = client.get(url)
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert client.get(url.replace("/pages/", "/pages/0")).status_code == 404
    assert client.get("/pages/x/secret.txt").status_code == 404


def test_page_weighs_at_most_36_kb(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/sign-in")

    sizes = {url: len(client.get(url).data) for url in re.findall(r'(?:href|src)="(/pages/[^"]+)"', page.text)}

    assert len(page.data) + sum(sizes.values()) <= 36_000
    assert [size for url, size in sizes.items() if url.endswith(".css") and size > 12_000] == []
    assert [size for url, size in sizes.items() if url.endswith(".js") and size > 15_000] == []


def test_invalid_form_keeps_input_and_focuses_summary(app: Flask) -> None:
    page = Browser(app).post("/register", email="no address", password="secret words", first_name='"><b>')

    assert page.status_code == 422
    assert 'role="alert" tabindex="-1" autofocus' in page.text
    assert '<a href="#email">Email address: Invalid Email!</a>' in page.text
    assert 'aria-invalid="true" aria-describedby="email-error email-hint"' in page.text
    assert 'value="no address"' in page.text
    assert "<b>" not in page.text
    assert "secret words" not in page.text
    assert "<title>Error: " in page.text


def test_password_inputs_are_masked_and_for_managers(app: Flask) -> None:
    browser = Browser(app)
    inputs = [
        field
        for path in ("/sign-in", "/register", "/reset")
        for field in re.findall(r'<input id="[^"]*password"[^>]*>', browser.open(path).text)
    ]

    assert len(inputs) == 3
    for field in inputs:
        assert 'type="password"' in field
        assert re.search('autocomplete="(current-password webauthn|new-password)"', field)
        assert "onpaste" not in field


def test_forms_for_passwords_and_codes_show_the_username(app: Flask) -> None:
    browser = signed_in(app)
    pages = [browser.open(path).text for path in ("/account/password", "/account/confirm")]
    pages += [browser.submit("/forgot", email=EMAIL).text, browser.submit("/register", **REGISTRATION).text]

    for page in pages:
        assert f'value="{EMAIL}" autocomplete="username" dir="ltr" readonly' in page
    for page in pages[2:]:
        assert 'autocomplete="one-time-code"' in page
        assert "inputmode" not in page  # the codes in mails have letters


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:5000", "[::1]:5000"])
def test_page_at_ip_address_links_to_host_with_passkeys(app: Flask, host: str) -> None:
    client = app.test_client()

    assert 'href="http://localhost:5000/sign-in"' in client.get("/sign-in", base_url=f"http://{host}").text
    assert "Passkeys work at this address only" not in client.get("/sign-in", base_url="http://localhost:5000").text


def test_missing_input_has_a_plain_message(app: Flask) -> None:
    page = Browser(app).post("/sign-in", email=EMAIL, password="")

    assert '<a href="#password">Password: Please fill in this field.</a>' in page.text


def test_summary_names_the_invalid_fields_in_order(app: Flask) -> None:
    page = Browser(app).post("/register", last_name="")

    summary = re.findall('<li><a href="#[^"]+">([^:]+): Please fill in this field.</a></li>', page.text)
    assert summary == ["First name", "Email address", "Password"]


def test_page_error_is_counted_in_the_metrics(app: Flask) -> None:
    client, count = app.test_client(), 'flaskauth_error_responses_total{code="validation_failed"}'
    client.post("/sign-in", headers=SAME_ORIGIN)

    assert f"{count} 1.0" in client.get("/metrics").text


def test_page_over_rate_limit_shows_the_wait(make_app: MakeApp) -> None:
    browser = Browser(make_app(RATE_LIMIT_LOGIN="1/minute"))
    browser.post("/sign-in")

    page = browser.post("/sign-in")

    assert (page.status_code, 0 < int(page.headers["Retry-After"]) <= 60) == (429, True)
    assert re.search(r"Try again in \d+ s\.", page.text)


def test_page_with_unavailable_database_is_503(make_app: MakeApp) -> None:
    app = make_app(SQLALCHEMY_DATABASE_URI="sqlite:////no/such/folder/test.db")
    browser = Browser(app)
    browser.client.set_cookie("flaskauth", "1.0.0.AAAA")

    page = browser.open("/sign-in")

    assert (page.status_code, page.mimetype, page.headers["Retry-After"]) == (503, "text/html", "1")
    assert "Try again in 1 s." in page.text


def test_oversized_form_is_413(app: Flask) -> None:
    response = app.test_client().post("/sign-in", data={"email": "x" * 100_000}, headers=SAME_ORIGIN)

    assert (response.status_code, response.mimetype) == (413, "text/html")


def test_oversized_chunked_form_is_413(app: Flask) -> None:
    client = app.test_client()
    part = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na@example.com\r\n'
    for kind, form in (
        ("application/x-www-form-urlencoded", b"email=a@example.com&x="),
        ("text/plain", b"email=a@example.com&x="),
        ("multipart/form-data; boundary=x", part),
    ):
        for size in (65_537, 1_000_000):
            environ = {"wsgi.input_terminated": True, "CONTENT_TYPE": kind}
            body = io.BytesIO(form.ljust(size, b"x"))
            response = client.post("/forgot", input_stream=body, headers=SAME_ORIGIN, environ_overrides=environ)
            assert (response.status_code, response.mimetype) == (413, "text/html"), (kind, size)


def test_page_of_mounted_server_links_below_its_prefix(make_app: MakeApp) -> None:
    page = Browser(make_app(PUBLIC_URL="https://shop.example.com/accounts")).open("/sign-in").text

    assert 'action="/accounts/sign-in"' in page
    assert set(re.findall(r'(?:href|src|action)="(?!/accounts/|\?|#)([^"]*)"', page)) == set()


def test_cookies_with_https_have_the_host_prefix(make_app: MakeApp) -> None:
    app = make_app(PUBLIC_URL="https://auth.example.com")
    UserFactory(app).create_verified()

    cookies = Browser(app).sign_in().headers.getlist("Set-Cookie")

    assert {cookie.partition("=")[0] for cookie in cookies} == {
        "__Host-flaskauth",
        "__Host-flaskauth-device",
        "__Host-flaskauth-step",
    }
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_every_page_write_that_is_public_has_a_rate_limit(app: Flask) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if is_page(rule) and "POST" in (rule.methods or ())]
    views: dict[str, Any] = {rule.rule: app.view_functions[rule.endpoint] for rule in rules}

    assert views
    assert [path for path, view in views.items() if view.access == "public" and not hasattr(view, "limits")] == []
