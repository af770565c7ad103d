"""H: changes of address that are asked for by others, proven with other codes, or taken back by others."""

from tests.attacks.judging import Judge
from tests.email_change.asking import Change, ask, prove
from tests.inside import refused
from tests.people import bearer, network
from tests.registration.asking import NOT_IT, elsewhere
from tests.sessions.holding import Holder
from werkzeug.test import TestResponse

FRESH, INVALID, WRONG, OVER = (
    (403, "reauthentication_required"),
    (422, "invalid_input"),
    (401, "wrong_code"),
    (401, "invalid_token"),
)
ADA, NEW_AT, VICTIM = "ada@example.com", "ada@example.org", "victim@example.com"
ASKED = {"address_changes", "one_time_codes", "links", "outbox"}


def holder(judge: Judge, email: str = ADA) -> Holder:
    return Holder(judge.client, judge.joined(email).signed_in(elsewhere()))


def test_h01_a_stolen_token_that_is_not_fresh(judge: Judge) -> None:
    ada = holder(judge)
    ada.refreshes()
    with judge.case(hashed=0):
        for email in (NEW_AT, VICTIM, ADA, "nonsense"):
            assert refused(ask(judge.client, ada.token, email, elsewhere())) == FRESH
        for method, path in (("GET", "/users/export"), ("DELETE", "/users/account"), ("DELETE", "/auth/sessions")):
            answer = judge.client.open(path, method=method, headers={**bearer(ada.token), **network(elsewhere())})
            assert refused(answer) == FRESH, path


def test_h03_the_code_of_another_change(judge: Judge) -> None:
    ada = holder(judge)
    first = Change.asked(judge.app, ada, NEW_AT, ADA)
    second = Change.asked(judge.app, ada, VICTIM, ADA)
    eve = holder(judge, "eve@example.com")
    with judge.case(hashed=0, events={"wrong_code"}):
        assert refused(prove(judge.client, ada.token, first.code, elsewhere())) == WRONG
        assert refused(prove(judge.client, eve.token, second.code, elsewhere())) == WRONG
    profile = judge.client.get("/users/profile", headers=bearer(ada.token))
    assert profile.get_json()["user"]["email"] == ADA


def test_h03_an_address_that_somebody_has(judge: Judge) -> None:
    judge.joined(VICTIM)
    seen = []
    for email, owner, mails in ((VICTIM, ADA, 1), ("nobody@example.com", "eve@example.com", 2)):
        who = holder(judge, owner)
        with judge.case(ASKED, hashed=0, mails=mails, events={"address_change_requested"}):
            answer = ask(judge.client, who.token, email, elsewhere())
        seen.append((answer.status_code, answer.get_json(), sorted(answer.headers.keys()), answer.content_length))
    assert seen[0] == seen[1]
    assert [mail for mail in judge.mailbox.all() if mail["to"] == VICTIM and "/auth/undo" in mail["text"]] == []


def test_h07_links_that_are_guessed_or_of_another_kind(judge: Judge) -> None:
    change = Change.asked(judge.app, holder(judge), NEW_AT, ADA)
    token = change.undo.token
    with judge.case(hashed=0):
        for other in ("A" * 43, token[:-1], token + "A", token.swapcase(), f" {token}", "%", change.code, NOT_IT):
            for path in ("/auth/undo", "/auth/disown"):
                answer = judge.client.post(path, json={"token": other}, headers=network(elsewhere()))
                assert refused(answer) == OVER, other
        assert refused(judge.client.post("/auth/disown", json={"token": token})) == OVER
        for path in ("/auth/undo", "/auth/disown"):  # what scanners of mails do
            for method in ("GET", "HEAD", "OPTIONS"):
                assert judge.client.open(f"{path}?token={token}", method=method).status_code == 200


def test_h07_a_link_that_was_used(judge: Judge) -> None:
    change = Change.asked(judge.app, holder(judge), NEW_AT, ADA)
    assert change.proven().status_code == 200
    assert change.undo.followed(judge.client, elsewhere()).status_code == 200
    with judge.case(hashed=0):
        answers: list[TestResponse] = [change.undo.followed(judge.client, elsewhere()) for _ in range(3)]
        assert {refused(answer) for answer in answers} == {OVER}
