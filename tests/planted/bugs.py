"""Bugs that somebody could make, and the tests that would tell."""

from dataclasses import dataclass

ORDERS = "tests/races/test_orders_of_"


@dataclass(frozen=True)
class Bug:
    """One change of one file; `kind` is the mistake that it is an instance of."""

    kind: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BUGS = (
    Bug(
        "row count dropped",
        "codes/doors.py",
        """        if not changed(good.values(used_at=now, ends_at=now)):
            raise WrongCode
""",
        """        changed(good.values(used_at=now, ends_at=now))
""",
        (f"{ORDERS}codes.py::test_what_was_open_when_it_was_looked_at_opens_once",),
    ),
    Bug(
        "row count dropped",
        "codes/links.py",
        """    if not changed(spent.values(used_at=clock.now())):
        return None
""",
        """    changed(spent.values(used_at=clock.now()))
""",
        ("tests/recovery/test_undoing.py",),
    ),
    Bug(
        "row count dropped",
        "sessions/service.py",
        """    return carry_on.changed(**found, now=now, idle_end=idle_end) == 1
""",
        """    carry_on.changed(**found, now=now, idle_end=idle_end)
    return True
""",
        (f"{ORDERS}refresh.py::test_a_session_that_was_read_before_its_end_is_not_carried_on",),
    ),
    Bug(
        "row count dropped",
        "login/service.py",
        """    if not accounts.let_in(stored):
        raise WrongCredentials
""",
        """    accounts.let_in(stored)
""",
        (f"{ORDERS}sign_in.py::test_a_password_that_was_right_before_the_end_opens_nothing_after_it",),
    ),
    Bug(
        "counted after comparing",
        "codes/doors.py",
        """    counted = at_once(_count_by_id, brought.purpose, code_id)
    row = db.session.get(OneTimeCode, code_id)
""",
        """    row = db.session.get(OneTimeCode, code_id)
    if row and row.purpose == brought.purpose and row.tries < TRIES_BY_ID and _opens(row, brought.code):
        return _opened(row, None)
    counted = at_once(_count_by_id, brought.purpose, code_id)
    row = db.session.get(OneTimeCode, code_id)
""",
        (f"{ORDERS}codes.py::test_a_right_code_that_comes_before_the_last_tries_and_is_counted_after_them_is_refused",),
    ),
    Bug(
        "counted after comparing",
        "login/service.py",
        """    tried = at_once(budgets.count, asked, budgets.is_flood())
""",
        """    if hashing.verify(password, stored.password):
        return Right(asked, stored, Try(hashes=True, compares=True))
    tried = at_once(budgets.count, asked, budgets.is_flood())
""",
        (f"{ORDERS}codes.py::test_a_right_password_that_is_counted_after_the_last_tries_is_refused",),
    ),
    Bug(
        "counted inside the request's transaction",
        "codes/doors.py",
        "at_once(_count_by_id, brought.purpose, code_id)",
        "_count_by_id(brought.purpose, code_id)",
        (f"{ORDERS}codes.py::test_a_try_is_in_the_books_before_it_is_answered_and_holds_nobody_up",),
    ),
    Bug(
        "counted inside the request's transaction",
        "codes/doors.py",
        "at_once(_count_by_address, brought.purpose, address, brought.network)",
        "_count_by_address(brought.purpose, address, brought.network)",
        (f"{ORDERS}codes.py::test_a_try_is_in_the_books_before_it_is_answered_and_holds_nobody_up",),
    ),
    Bug(
        "counted inside the request's transaction",
        "login/service.py",
        "at_once(budgets.count, asked, budgets.is_flood())",
        "budgets.count(asked, budgets.is_flood())",
        (f"{ORDERS}codes.py::test_a_password_is_in_the_books_before_it_is_answered_and_holds_nobody_up",),
    ),
    Bug(
        "enqueued before the commit",
        "mail/outbox.py",
        "after_commit(lambda: ring(mail.id))",
        "ring(mail.id)",
        (f"{ORDERS}mails.py", "tests/mail/test_outbox.py"),
    ),
    Bug(
        "enqueued before the commit",
        "mail/outbox.py",
        """    add(mail)
""",
        """    from flaskauth.foundation.db import db
    with db.sessionmaker(expire_on_commit=False) as own:
        own.add(mail)
        own.commit()
""",
        (f"{ORDERS}mails.py", "tests/mail/test_outbox.py"),
    ),
    Bug(
        "X-Forwarded-For trusted from everybody",
        "foundation/http.py",
        "right_most_untrusted(hops, settings().trusted_proxies)",
        "right_most_untrusted(hops[:1], ())",
        ("tests/test_networks.py",),
    ),
    Bug(
        "compared with ==",
        "foundation/crypto.py",
        "return hmac.compare_digest(left, right)",
        "return left == right",
        ("tests/foundation/test_secrets_compared.py",),
    ),
    Bug(
        "compared with ==",
        "sessions/refresh_tokens.py",
        "crypto.same(self.mac, mac) for mac in macs",
        "self.mac == mac for mac in macs",
        ("tests/foundation/test_secrets_compared.py",),
    ),
    Bug(
        "compared with ==",
        "codes/derive.py",
        "return any([crypto.same(code.encode(), candidate.encode()) for candidate in candidates(row)])",
        "return code in candidates(row)",
        ("tests/foundation/test_secrets_compared.py",),
    ),
    Bug(
        "a collation that ignores case and accents",
        "foundation/columns.py",
        """    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return value.encode() if value is not None else None

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return bytes(value).decode() if value is not None else None
""",
        """    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = mysql.VARCHAR(self.length, collation="utf8mb4_general_ci")
        return dialect.type_descriptor(kind if _is_mysql(dialect) else Text(collation="NOCASE"))
""",
        ("tests/registration/test_addresses.py::test_addresses_that_a_collation_would_take_for_one_are_two_accounts",),
    ),
    Bug(
        "a grace that mints a new successor",
        "sessions/service.py",
        """< grace):
        return _tokens(session)
""",
        """< grace):
        session.generation += 1
        db.session.flush()
        return _tokens(session)
""",
        (
            f"{ORDERS}refresh.py::test_who_read_before_another_traded_gets_the_same_successor",
            "tests/sessions/test_refreshing.py::test_an_answer_that_was_lost_is_given_again",
        ),
    ),
    Bug(
        "a plain re-read after a lost UPDATE",
        "sessions/service.py",
        """    is_first = _carry_on(presented, moment, idle_end)
""",
        """    is_first = _carry_on(presented, moment, idle_end)
    if not is_first and stored.generation == presented.generation:  # as it was read before the UPDATE
        raise SignedOut
""",
        (f"{ORDERS}refresh.py::test_who_read_before_another_traded_gets_the_same_successor",),
    ),
    Bug(
        "a limiter that reads, then writes",
        "throttles/service.py",
        """    if _take(key, allowance.most, allowance.window):
""",
        """    if spent(key) < allowance.most and _take(key, 10**6, allowance.window):
""",
        (f"{ORDERS}allowances.py::test_of_an_allowance_no_more_is_granted_than_it_has",),
    ),
    Bug(
        "no row for a decoy",
        "registration/attempts.py",
        """    add(row)
""",
        """    if owner is None:
        add(row)
""",
        ("tests/registration/test_known_and_unknown.py", "tests/registration/test_decoys.py"),
    ),
    Bug(
        "no row for a decoy",
        "passwords/service.py",
        """    outbox.put(emails.reset_code(code, to, locale), state)
""",
        """    if owner:
        outbox.put(emails.reset_code(code, to, locale), state)
""",
        ("tests/passwords/test_forgotten.py",),
    ),
    Bug(
        "no lease on the outbox",
        "mail/delivery.py",
        'OutboxMail.leased_until <= bindparam("now")),',
        "OutboxMail.state == QUEUED),",
        (f"{ORDERS}mails.py", "tests/mail/test_mail_leases.py"),
    ),
)
