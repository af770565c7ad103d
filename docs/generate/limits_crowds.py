"""The section of the limits page about many users behind one address."""

from dataclasses import dataclass

CROWDS = """
## Many users behind one address

The users of a school, an office or a mobile carrier share an IPv4 address (NAT, CGNAT) or an IPv6 /64 prefix. With the
default settings, these crowds do not reach a limit:

| crowd | action | requests | limit |
|---|---|---|---|"""


@dataclass(frozen=True)
class Crowd:
    """An action of the users behind one IP address, and the setting that limits it."""

    crowd: str
    action: str
    requests: int
    minutes: int
    setting: str


SCHOOL, OFFICE, CARRIER = "school class of 40", "office of 300", "5,000 users of a mobile carrier"
CROWD_ROWS = [
    Crowd(SCHOOL, "register", 40, 1, "rate_limit_register"),
    Crowd(SCHOOL, "receive the codes", 40, 1, "rate_limit_mail"),
    Crowd(SCHOOL, "enter the code by id, email or alone", 40, 1, "rate_limit_verify"),
    Crowd(SCHOOL, "sign in", 40, 1, "rate_limit_login"),
    Crowd(SCHOOL, "forget the password", 40, 1, "rate_limit_send_code"),
    Crowd(SCHOOL, "edit the profile", 40, 1, "rate_limit_default"),
    Crowd(OFFICE, "register and verify in the morning", 300, 30, "rate_limit_register"),
    Crowd(OFFICE, "sign in in the morning", 300, 30, "rate_limit_login"),
    Crowd(OFFICE, "type a wrong password first", 100, 30, "rate_limit_login_failures"),
    Crowd(CARRIER, "refresh their tokens every 10 minutes", 5000, 10, "rate_limit_refresh"),
    Crowd(CARRIER, "type a wrong password during the day", 2000, 1440, "rate_limit_login_failures"),
    Crowd(CARRIER, "forget the password during the day", 150, 1440, "rate_limit_mail"),
]
SETTINGS_FOR_CROWDS = """
- A right password is not counted as a wrong one, however many users sign in. A recognised device is never rejected
  because of its network, so clients should store the `device_token` of a sign-in and send it with the next one.
- A mail whose code verifies a registration is not counted. The registrations of an office do not reach the limit of
  mails while fewer than 60 codes wait to be entered.
- `GET /users/profile` and all public data have no limit.
- An attacker behind the same address can use up the 30 wrong passwords a minute. Then users without a recognised device
  cannot sign in from there for up to a minute, or up to an hour after 300.

An attacker at one address tries at most 30 passwords a minute and 300 an hour, of all accounts together, and 5 of one
account before the lockout.

Larger crowds need higher limits, such as these:

| installation | settings |
|---|---|"""
EXAMPLES = {
    "university with 20,000 students behind one address": (
        "RATE_LIMIT_REGISTER=600/minute",
        "RATE_LIMIT_LOGIN=1200/minute",
        "RATE_LIMIT_LOGIN_FAILURES=120/minute; 2000/hour",
        "RATE_LIMIT_MAIL=600/hour; 3000/day",
    ),
    "office that invites 1,000 users in one hour": ("RATE_LIMIT_MAIL=1000/hour; 1500/day",),
    "mobile carrier with 50,000 users behind one address": (
        "RATE_LIMIT_REFRESH=6000/minute",
        "RATE_LIMIT_LOGIN_FAILURES=120/minute; 2000/hour",
        "RATE_LIMIT_MAIL=300/hour; 2000/day",
    ),
}
ONE_ADDRESS = """
If all clients seem to have one address, `TRUSTED_PROXIES` is missing: set it instead of raising the limits. Without
`REDIS_URL`, each of several processes enforces its share of a limit; configure Redis for such crowds.

A limit is not a capacity. If a password would wait longer than half a second for a processor, the response is 503
`overloaded` with `Retry-After`. [Scaling](../operations/scaling.md) states how many processors a crowd needs."""
