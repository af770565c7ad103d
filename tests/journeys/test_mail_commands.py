"""What operators see of mails, and how they have dead ones tried again."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.journeys import leaks
from tests.journeys.processes import Place
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port

EMAIL = "grace@example.com"
DEAD = "UPDATE outbox SET state = 'dead', sent_at = NULL, last_error = 'rcpt 550'"
MAILS = "SELECT id, state, last_error FROM outbox"


@contextmanager
def served(folder: Path) -> Iterator[Traveller]:
    """The folder's server, and somebody who visits it from this machine."""
    port = free_port()
    with Place(folder).start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        yield Traveller(visitor, visitor.code_for, EMAIL)


def ask(folder: Path, statement: str) -> list[tuple[int, str, str | None]]:
    with closing(sqlite3.connect(folder / "instance/flaskauth.db")) as database, database:
        return database.execute(statement).fetchall()


@pytest.fixture
def joined(tmp_path: Path) -> Traveller:
    """Somebody who has got a mail, and whose server is away now."""
    with served(tmp_path) as person:
        person.join()
    return person


def test_mails_are_shown_without_what_they_say_and_to_whom(tmp_path: Path, joined: Traveller) -> None:
    [(mail_id, *_)] = ask(tmp_path, MAILS)
    listed, shown = (Place(tmp_path).run("flaskauth", "mail", *words) for words in (("list",), ("show", str(mail_id))))

    assert re.search(r"registration/prove_address +g\*\*\*@example.com +sent", listed)
    for what, how in (("To", r"g\*\*\*@example.com"), ("State", "sent"), ("Tries", "1"), ("Message-ID", "<.+>")):
        assert re.search(rf"^ *{what} +{how} *$", shown, re.MULTILINE), shown
    assert EMAIL not in listed + shown
    assert not leaks.leaked(joined.secrets, {"said": (listed + shown).encode()})


def test_a_dead_mail_is_tried_again(tmp_path: Path, joined: Traveller) -> None:
    ask(tmp_path, DEAD)
    [(mail_id, *_)] = ask(tmp_path, MAILS)

    assert "1 mails will be tried again." in Place(tmp_path).run("flaskauth", "mail", "retry", str(mail_id))
    assert ask(tmp_path, MAILS) == [(mail_id, "queued", "rcpt 550")]
    ask(tmp_path, DEAD)
    assert "1 mails will be tried again." in Place(tmp_path).run("flaskauth", "mail", "retry", "--dead")
    assert ask(tmp_path, MAILS) == [(mail_id, "queued", "rcpt 550")]


def test_what_is_over_or_unknown_is_told(tmp_path: Path, joined: Traveller) -> None:
    [(mail_id, *_)] = ask(tmp_path, MAILS)
    for words, told in {
        ("retry", str(mail_id)): f"Mail {mail_id} will not: it is sent.",
        ("retry", "7"): "There is no mail 7.",
        ("show", "7"): "There is no mail 7.",
        ("retry",): "Name mails, or say --dead.",
        ("retry", "7", "--dead"): "Name mails, or say --dead.",
    }.items():
        said = Place(tmp_path).run("flaskauth", "mail", *words, expect=None)
        assert told in said
        assert "Traceback" not in said
