"""Names in mails to unverified email addresses: no mail program may turn them into a link of an attacker."""

from datetime import timedelta
from typing import Any

from tests.registration.helpers import resend, start_registration, unused_ip
from tests.support.users import UserFactory, code_in_mail

from flaskauth.core import clock

NAMES_WITH_LINK = (
    "Win 500 at evil.com/prize",
    *("evil.com", "EVIL.COM", "x.co", "evil.co.uk", "evil.zip.", "(evil.app)", "evil.com's", "evil.com_x", "💩.la"),
    *(
        "\uff45\uff56\uff49\uff4c.\uff43\uff4f\uff4d",
        "\U0001d41e\U0001d42f\U0001d422\U0001d425.\U0001d41c\U0001d428\U0001d426",
        "evil。com",
        "evil\uff61com",
        "evil\u2024com",
        "evil①.com",
        "evil.c\u200dom",
        "evil.co\ufe0fm",
        "evil.com\u0336",
        "evil.c\u0336o\u0336m\u0336",
    ),
    *("ftp.evil.corp", "FTP.evil"),
    *("пример.рф", "उदाहरण.भारत", "münchen.de", "xn--e1afmkfd.xn--p1ai", "evil.example", "evil.onion"),
    *("eve@evil", "eve\uff20evil", "mailto:eve", "tel:100", "xmpp\uff1aeve", "javascript:alert(1)", "\\\\evil\\share"),
    *("call 0900 1234567", "+1 (900) 555-0199", "٠٩٠٠١٢٣٤", "192.0.2.1", "\uff11\uff19\uff12.0.2.1", "192.0.2.1:8080"),
)
PLAIN_NAMES = (
    *("St.John", "Dr.Who", "A.J.Smith", "J. K.", "J.R.R.Tolkien", "Ph.D.", "Mary-Jane O'Neil", "Ulla S:t Cyr"),
    *("José.María", "Ma. Teresa", "Sammy Davis, Jr.", "A/S", "Louis XIV.", "3rd", "E.T.", "नी\u200dल", "山田。"),
)
GREETINGS = {"en": "Hello", "ar": "مرحبًا", "fr": "Bonjour", "pt": "Olá", "sw": "Habari"}


def register_with_names(users: UserFactory, names: tuple[dict[str, str], ...]) -> list[dict[str, Any]]:
    """Register once with each of these names, and return the mails in the same order."""
    for number, fields in enumerate(names):
        users.register(f"name{number}@example.net", unused_ip(), **fields)
    mails = {mail["to"]: mail for mail in users.mailbox.wait(len(names))}
    return [mails[f"name{number}@example.net"] for number in range(len(names))]


def test_name_with_link_is_left_out_of_mail(users: UserFactory) -> None:
    names = tuple({"first_name": name, "last_name": "Quux"} for name in NAMES_WITH_LINK)
    names += ({"first_name": "Zoe", "last_name": "evil.com"}, {"first_name": "Zoe", "last_name": "eve@evil"})

    for fields, mail in zip(names, register_with_names(users, names), strict=True):
        assert mail["text"].startswith("Hello,\n"), fields
        assert ">Hello</h1>" in mail["html"]
        for part in ("subject", "text", "html"):
            assert not any(name in mail[part] for name in fields.values()), fields


def test_link_across_both_names_is_left_out_of_mail(users: UserFactory) -> None:
    [mail] = register_with_names(users, ({"first_name": "+1 900", "last_name": "555 0199"},))

    for part in ("text", "html"):
        assert "555 0199" not in mail[part]


def test_name_without_link_is_shown_in_mail(users: UserFactory) -> None:
    names = tuple({"first_name": name, "last_name": name} for name in PLAIN_NAMES)

    for name, mail in zip(PLAIN_NAMES, register_with_names(users, names), strict=True):
        assert mail["text"].startswith(f"Hello {name},\n")
        assert f"  Name        {name} {name}\n" in mail["text"]
        assert f"Hello {name}</h1>" in mail["html"].replace("&#39;", "'")


def test_greeting_without_name_exists_in_every_language(users: UserFactory) -> None:
    names = tuple({"first_name": "evil.com", "locale": locale} for locale in GREETINGS)

    for greeting, mail in zip(GREETINGS.values(), register_with_names(users, names), strict=True):
        assert mail["text"].splitlines()[0] in {f"{greeting},", f"{greeting}،"}
        assert f">{greeting}</h1>" in mail["html"]
        assert code_in_mail(mail) in mail["subject"]


def test_resend_leaves_name_with_link_out_of_mail(users: UserFactory) -> None:
    registration = start_registration(users, first_name="evil.com")
    clock.travel(timedelta(seconds=61))
    resend(users.client, verification_id=registration.id)

    assert all(mail["text"].startswith("Hello,\n") for mail in users.mailbox.wait(2))
