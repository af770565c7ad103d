"""Over several processes: mails, signing keys and pictures."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from tests.avatars.files import picture
from tests.avatars.wearing import kept
from tests.inside import change
from tests.races.bursts import BUSY, Ask, statuses
from tests.races.conftest import Rounds
from tests.races.course import Course

from flaskauth.accounts.models import User
from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.keys import service as keys
from flaskauth.keys.models import SigningKey
from flaskauth.mail import outbox
from flaskauth.mail.models import SENT, OutboxMail
from flaskauth.passwords import emails

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sweepers(course: Course) -> Iterator["subprocess.Popen[str]"]:
    """Four processes that have nothing else to do."""
    words = [sys.executable, "-m", "tests.races.sweeping"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        (course.place.folder / "sweepers.log").open("w") as log,
        subprocess.Popen(words, cwd=ROOT, env=course.place.environment, stderr=log, **pipes) as running,  # type: ignore[call-overload]
    ):
        yield running  # they end with their input


def sweep(sweepers: "subprocess.Popen[str]") -> None:
    assert sweepers.stdin
    assert sweepers.stdout
    sweepers.stdin.write("\n")
    sweepers.stdin.flush()
    for line in sweepers.stdout:
        if line == "swept\n":
            return
    raise AssertionError("the sweepers ended")


def put(course: Course, user_id: int, count: int) -> list[int]:
    """Mails whose bell nobody rings."""

    def work() -> list[int]:
        user = db.session.get_one(User, user_id)
        mails = [outbox._row(emails.password_changed(user, "here"), "queued") for _ in range(count)]
        ids = [mail.id for mail in mails]
        db.session.add_all(mails)
        return ids

    return course.here(work)


def test_each_mail_is_sent_by_one_of_four_workers(
    course: Course, rounds: Rounds, sweepers: "subprocess.Popen[str]"
) -> None:
    """And of two server processes, which sweep whenever it is their turn."""
    for _ in rounds(6):
        racer = course.racer()
        ids = put(course, racer.user_id, 20)
        sweep(sweepers)
        course.settle()

        mails = course.rows(select(OutboxMail).where(OutboxMail.id.in_(ids)))
        assert {(mail.state, mail.tries) for mail in mails} == {(SENT, 1)}
        sent = [mail for mail in course.sink.messages if mail.recipients == (racer.email,)]
        assert len(sent) == len(ids)


def test_while_keys_are_made_every_token_is_good_everywhere(course: Course, rounds: Rounds) -> None:
    for _ in rounds(10):
        racers = [course.racer() for _ in range(4)]
        profiles = [Ask("GET", "/users/profile", token=racer.tokens.token) for racer in racers]
        answers = course.burst(
            [*profiles, *[racer.refreshes() for racer in racers], *profiles], keys.rotate, keys.rotate
        )
        tokens = [answer.body["token"] for answer in answers if "token" in answer.body]
        looks = course.burst([Ask("GET", "/users/profile", token=token) for token in tokens * 4])

        assert set(statuses([*answers, *looks])) <= {200, BUSY}
        change(course.app, delete(SigningKey).where(SigningKey.signs_from > clock.now()))


def test_of_twenty_pictures_at_once_one_stays_with_one_file(course: Course, rounds: Rounds) -> None:
    files = [picture(size=(16, 16 + number)) for number in range(20)]
    for _ in rounds(5):
        racer, before = course.racer(), kept(course.app)
        answers = course.burst([Ask("PUT", "/users/avatar", file, racer.tokens.token) for file in files])

        assert set(statuses(answers)) <= {200, BUSY}
        [shown] = course.rows(select(User.avatar).where(User.id == racer.user_id))
        assert kept(course.app) - before == {shown}
