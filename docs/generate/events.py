"""The page of audit events, from the events themselves."""

from collections.abc import Iterator

from flaskauth.audit import EVENTS

ABOUT = """\
# Events

<!-- Made by `make docs` from src/flaskauth/audit/service.py. -->

What happens to accounts, sessions and keys is written into the table `audit_events`, in the transaction in which it
happens, and into the log: the name of the event, when, to whom (`user_id`, `session_id`), from which address and
device, and the `request_id` that every answer carries in `X-Request-ID`. No event holds a password, a code or a token.
They stay for `AUDIT_RETENTION_DAYS`; of a
person who was [erased](../concepts/leaving.md), only the name and the time of each. What is written is
[sealed](../concepts/trail.md): `flaskauth audit verify` tells what was altered, deleted or added.

| event | says that |
|---|---|"""


def page() -> Iterator[str]:
    """The page of the documentation."""
    yield from ABOUT.splitlines()
    yield from (f"| `{name}` | {told} |" for name, told in EVENTS.items())
