"""What the page of limits tells beside the figures: what each counts, where it is kept, what happens past it."""

from dataclasses import dataclass

ABOUT = """\
# Limits

<!-- Made by `make docs` from the code: src/flaskauth, and the words in docs/generate/limits_told.py. -->

Everything that is counted, capped or waited for, with its figure as the code has it. A *network* is an IPv4 address, or
the /64 of an IPv6 address: the right-most hop of `X-Forwarded-For` that is none of `TRUSTED_PROXIES`, and without a
trusted proxy the peer. An address in IPv6's clothes (`::ffff:198.51.100.7`), or with a port, is the same network.

Past a limit an answer is 429 `too_many_requests` with `Retry-After`, unless its row says otherwise. Known and unknown
people spend and wait alike."""

SURVIVAL = """
## What survives what

| kept in | a restart | Redis flushed or away | several processes and nodes |
|---|---|---|---|
| database | stays | stays | count together |
| Redis | stays | begins anew; while it is away each process counts its share | count together |
| process | begins anew | stays | each for itself; of request limits its share, 1 of `WEB_CONCURRENCY` |

What guards passwords, codes and mailboxes is in the database: no restart, burst or other node gives any of it anew."""

REQUESTS = """
## Requests of one network

Counted before anything is read or looked up, in Redis or, where there is none or it is away, in the process.
`REQUEST_LIMITS` is a factor on these, for load tests, and on nothing else. A route without a limit needs a good access
token first, or reads what anybody may have.

| route | requests of one network |
|---|---|"""

HEAD = """
| what | figure | counted by | kept in | past it |
|---|---|---|---|---|"""

DATABASE, CODE, PROCESS, REDIS = "database: `budgets`", "database: the code's row", "process", "Redis or process"


@dataclass(frozen=True)
class Row:
    """One limit; `of` names the constants that stand for the {} of its figure."""

    what: str
    figure: str
    by: str
    kept: str
    then: str
    of: tuple[str, ...]
    unit: int = 1


WAIT = "a wait that doubles (see below)"

BUDGETS = (
    f"""
## Guesses, mails and dear work

Counted and committed before the work, and given back when the guess was right. They have no switch.
{HEAD}""",
    [
        Row("Passwords", "{}", "address and network", DATABASE, WAIT, ("login.budgets.BY_ADDRESS_AND_NETWORK",)),
        Row("Passwords", "{}", "address", DATABASE, WAIT, ("login.budgets.BY_ADDRESS",)),
        Row(
            *("Wrong passwords in a row", "{}", "address", DATABASE),
            "only known devices and networks are compared, until a reset",
            ("login.budgets.IN_A_ROW.most",),
        ),
        Row(
            *("Passwords in a wait", "{}", "address, and known device or network", DATABASE),
            "429 without a hash; until then known ones are compared",
            ("login.budgets.IN_A_WAIT",),
        ),
        Row(
            *("Failed sign-ins", "{}", "everybody", REDIS),
            "event `sign_in_flood`; budgets of unknown networks are halved; nobody is refused for it",
            ("login.budgets.FLOOD",),
        ),
        Row("Codes by id", "{}", "attempt, reset or change", CODE, "429 until it ends", ("codes.doors.TRIES_BY_ID",)),
        Row("Codes by address", "{}", "purpose and address", DATABASE, "429", ("codes.doors.BY_ADDRESS",)),
        Row(
            *("Codes by address", "{}", "purpose, address and network", DATABASE, "429"),
            ("codes.doors.BY_ADDRESS_AND_NETWORK",),
        ),
        Row("Codes alone", "{}", "purpose and network", DATABASE, "429", ("codes.doors.ALONE_BY_NETWORK",)),
        Row(
            *("Codes alone", "{}", "purpose", DATABASE),
            "only codes asked for from the same network are taken",
            ("codes.doors.ALONE_IN_ALL",),
        ),
        Row(
            *("Mails that strangers ask for", "{}", "address and network", DATABASE),
            "the same answer; the mail is withheld",
            ("mail.budget.TO_ADDRESS_FROM_NETWORK",),
        ),
        Row(
            *("Mails that strangers ask for", "{}", "address", DATABASE),
            "the same; known networks go on with the next row",
            ("mail.budget.TO_ADDRESS",),
        ),
        Row(
            *("Mails asked for from a known network", "{}", "address", DATABASE),
            "the same answer; the mail is withheld",
            ("mail.budget.TO_ADDRESS_IF_KNOWN",),
        ),
        Row(
            *("A code mailed again", "after {}, doubling each time", "attempt", CODE),
            "the same answer; nothing is mailed",
            ("codes.service.FIRST_RESEND",),
        ),
        Row("Changes of address", "{}", "person", DATABASE, "429", ("email_change.service.BY_PERSON",)),
        Row("Exports", "{}", "person", DATABASE, "429", ("profile.export.EXPORTS",)),
        Row("Pictures put up", "{}", "person", DATABASE, "429", ("avatars.service.UPLOADS",)),
    ],
)

SIZES = (
    f"""
## Caps and sizes
{HEAD}""",
    [
        Row("Open sessions", "{}", "person", "database", "the oldest ends", ("sessions.service.MOST_SESSIONS",)),
        Row("Known devices", "{}", "person", "database", "the oldest is forgotten", ("sessions.devices.MOST_DEVICES",)),
        Row("Body", "{} KiB", "request", "-", "413", ("foundation.body.LARGEST",), 1024),
        Row("Brackets in a body", "{}", "request", "-", "400", ("foundation.body.MOST_BRACKETS",)),
        Row("Picture", "{} MiB", "file", "-", "413", ("avatars.pictures.LARGEST",), 1024 * 1024),
        Row("Form around a picture", "{} KiB", "request", "-", "413", ("foundation.uploads.FRAME",), 1024),
        Row("Parts of a form", "{}", "request", "-", "413", ("foundation.uploads.MOST_PARTS",)),
        Row("Boundary of a form", "{} characters", "request", "-", "400", ("foundation.uploads.LONGEST_BOUNDARY",)),
        Row("Pixels of a picture", "{}", "file", "-", "422", ("avatars.pictures.MOST_PIXELS",)),
        Row("Side of a picture", "{} pixels", "file", "-", "422", ("avatars.pictures.LONGEST_SIDE",)),
        Row("Scans of a JPEG", "{}", "file", "-", "422", ("avatars.pictures.MOST_SCANS",)),
        Row(
            *("Password", "{} to {} characters", "request", "-", "422 without a hash"),
            ("settings.password_min_length", "accounts.passwords.LONGEST"),
        ),
        Row("Password", "{} bytes", "request", "-", "422 without a hash", ("accounts.passwords.LONGEST_BYTES",)),
        Row(
            *("Guesses that a password must take", "{}", "password", "-", "422 `weak_password`"),
            ("accounts.passwords.FEWEST_GUESSES",),
        ),
        Row("Address", "{} bytes", "request", "-", "422", ("accounts.addresses.LONGEST_KEY",)),
        Row("Combining marks on a letter", "{}", "name", "-", "422", ("accounts.schemas.MOST_MARKS",)),
        Row("Language tag", "{} characters", "request", "-", "422", ("accounts.schemas.LONGEST_TAG",)),
        Row("Id of a door", "{} characters", "request", "-", "422", ("codes.schemas.LONGEST_ID",)),
        Row("Refresh token", "{} characters", "request", "-", "401", ("sessions.refresh_tokens.LONGEST",)),
        Row(
            *("Refreshes of a session", "{}", "session", "database", "401"),
            ("sessions.refresh_tokens.MOST_GENERATIONS",),
        ),
        Row(
            *(
                "Passwords waiting to be hashed",
                "{} s of work",
                "process",
                PROCESS,
                "503 `overloaded` before anything is read or counted",
            ),
            ("foundation.hashing.LONGEST_QUEUE",),
        ),
        Row("Pictures waiting", "{}", "process", PROCESS, "503 `overloaded`", ("avatars.pictures.MOST_WAITING",)),
        Row("Talks to the bucket", "{}", "process", PROCESS, "503 `overloaded`", ("avatars.storage.MOST_AT_ONCE",)),
        Row(
            *("Work waiting for the thread", "{}", "process", PROCESS, "a sweep finds it later"),
            ("foundation.jobs.MOST_WAITING",),
        ),
        Row(
            *(
                "Connections",
                "{} for transactions, {} more for a moment, {} for what every request asks",
                "process",
                PROCESS,
                "503 `unavailable`",
            ),
            ("settings.database_pool_size", "foundation.engine.RUSH", "foundation.engine.ALONE"),
        ),
    ],
)

TIMES = (
    f"""
## Times
{HEAD}""",
    [
        Row("A code", "{}", "code", CODE, "401 `wrong_code`", ("codes.service.LIFE",)),
        Row("An attempt to join", "{}", "attempt", "database", "as if it were not", ("registration.attempts.LIFE",)),
        Row("A link that takes back", "{}", "link", "database", "401", ("codes.links.LIFE",)),
        Row("Closing an account", "{}", "person", "database", "erased", ("closing.service.DELAY",)),
        Row("A device is known", "{}", "last use", "database", "as a stranger", ("sessions.devices.KNOWN_DEVICE",)),
        Row("A network is known", "{}", "sign-in", "database", "as a stranger", ("sessions.devices.KNOWN_NETWORK",)),
        Row("A token is fresh", "{}", "token", "token", "403 `reauthentication_required`", ("keys.tokens.FRESH_FOR",)),
        Row("An access token", "{} minutes", "token", "token", "401 `invalid_token`", ("settings.jwt_duration",)),
        Row(
            *("A session without use", "{} days", "session", "database", "401 `signed_out`"),
            ("settings.session_idle_duration",),
            1440,
        ),
        Row(
            *("A session", "{} days", "session", "database", "401 `signed_out`"),
            ("settings.refresh_token_duration",),
            1440,
        ),
        Row(
            *("The token before, again", "{} s", "session", "database", "the session ends"),
            ("settings.refresh_grace",),
        ),
        Row("A wait for passwords", "{} at first", "budget", DATABASE, "-", ("throttles.service.FIRST_WAIT",)),
        Row("A wait for passwords", "{} at most", "budget", DATABASE, "-", ("throttles.service.LONGEST_WAIT",)),
        Row("Head of a request", "{} s", "connection", PROCESS, "hung up", ("serving.HEADERS_WITHIN",), 1000),
        Row(
            *("Body of a request, and 1 s more for each 64 KiB", "{} s", "request", PROCESS, "400 `bad_request`"),
            ("foundation.gate.BODY_WITHIN",),
        ),
        Row("Connections", "{}", "process", PROCESS, "wait", ("serving.CONNECTIONS",)),
        Row(
            *("Requests that wait for a thread", "{}, to look and to write", "process", PROCESS, "503 `overloaded`"),
            ("foundation.lanes.MOST_WAITING",),
        ),
        Row(
            *("Answers of 503 that are held back for a moment", "{} at once", "process", PROCESS, "503 at once"),
            ("foundation.gate.MOST_HELD",),
        ),
        Row(
            *("Signatures that are remembered", "{}", "process", PROCESS, "verified again"),
            ("keys.verified.MOST",),
        ),
        Row(
            *("An address in X-Forwarded-For", "{} characters", "hop", "-", "it is none"),
            ("foundation.http.LONGEST_ADDRESS",),
        ),
        Row("Uploads that arrive", "{} at once", "process", PROCESS, "503", ("foundation.gate.LARGE_AT_ONCE",)),
        Row(
            *("Tries of a mail that may have arrived", "{}", "mail", "database", "`dead`"),
            ("mail.delivery.MOST_UNSURE",),
        ),
        Row(
            "Waiting mails that are sent", "{} at once", "process", PROCESS, "the next wait", ("mail.delivery.AT_ONCE",)
        ),
        Row("Looking at a picture", "{} s", "request", PROCESS, "503", ("avatars.pictures.LONGEST_WAIT",)),
        Row("A turn at the bucket", "{} s", "request", PROCESS, "503", ("avatars.storage.LONGEST_WAIT",)),
        Row(
            "A lock in the database",
            "{} s",
            "statement",
            "database",
            "again, then 503",
            ("foundation.engine.LOCK_WAIT",),
        ),
        Row("An answer of the database", "{} s", "statement", PROCESS, "503", ("foundation.engine.ANSWER_TIMEOUT",)),
        Row(
            "An answer of Redis", "{} s", "request", PROCESS, "the process counts", ("foundation.limits.REDIS_TIMEOUT",)
        ),
        Row("Redis is left alone", "{} s", "process", PROCESS, "asked again", ("foundation.limits.LOOK_AGAIN",)),
    ],
)
