"""Logo, color, support address and postal line in mails, and the contrast of their text."""

import re

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.mail.conftest import DEVELOPMENT, PRODUCTION
from tests.mail.test_mail_rendering import CODE, CONTEXTS, LINK, make_mail

from flaskauth.colors import contrast, text_color_on
from flaskauth.mail.rendering import _brand, render
from flaskauth.mail.templates import environment

BRAND = {
    "APP_NAME": "Acme & Söhne",
    "MAIL_LOGO_URL": "https://cdn.example.com/logo.png?v=2",
    "MAIL_BRAND_COLOR": "#ffcc00",
    "MAIL_SUPPORT_ADDRESS": "support@example.com",
    "MAIL_POSTAL_ADDRESS": "Acme & Söhne, 1 Main Street, London",
}
LABELS = {
    "en": "Questions? Write to",
    "ar": "هل لديك أسئلة؟ راسلنا على",
    "fr": "Des questions ? Écrivez à",
    "pt": "Dúvidas? Escreva para",
    "sw": "Una maswali? Andika kwa",
}
MIN_CONTRAST = 4.5
STYLES = re.compile(r"(?<=[\s}])([^{}@]+)\{([^{}]*)\}")
# The background that the text of each class is on.
BACKGROUNDS = {".header": ".page", ".footer": ".page", ".code": ".code", ".button": ".button"}
TEXT_CLASSES = (".header", ".footer", ".card", "h1", ".code", ".caption", ".button", ".small", ".details th")


def render_parts(app: Flask, template: str = "login/new_device", locale: str = "en") -> tuple[str, str]:
    with app.app_context():
        parts = render(make_mail(template, locale=locale), CODE, LINK).parts
    return parts.text, parts.html


@pytest.mark.parametrize("locale", LABELS)
def test_brand_is_shown_in_text_and_html(make_app: MakeApp, locale: str) -> None:
    text, html = render_parts(make_app(**PRODUCTION, **BRAND), locale=locale)

    support, postal = text.splitlines()[-2:]
    assert support.replace("\u2068", "").replace("\u2069", "") == f"{LABELS[locale]} support@example.com"
    assert postal == BRAND["MAIL_POSTAL_ADDRESS"]
    assert re.search(rf'{re.escape(LABELS[locale])} <a class="contact-link" href="mailto:support@example.com"', html)
    assert "Acme &amp; Söhne, 1 Main Street, London</p>" in html
    assert 'src="https://cdn.example.com/logo.png?v=2" alt="Acme &amp; Söhne"' in html
    assert re.search(r'<a class="button"[^>]*background-color: #ffcc00;[^>]*color: #000000', html)


def test_brand_that_is_not_set_shows_nothing(make_app: MakeApp) -> None:
    text, html = render_parts(make_app(**PRODUCTION))

    assert text.endswith("The link is valid for 7 days.\n")
    assert not re.search(r"<img|mailto:|class=\"contact|None", html)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_LOGO_URL", "http://cdn.example.com/logo.png"),
        ("MAIL_LOGO_URL", "javascript:alert(1)"),
        ("MAIL_LOGO_URL", 'https://example.com/"onerror="x'),
        ("MAIL_BRAND_COLOR", "red;} body{display:none"),
        ("MAIL_BRAND_COLOR", "#fff"),
        ("MAIL_SUPPORT_ADDRESS", "Support <support@example.com>"),
        ("MAIL_SUPPORT_ADDRESS", "support"),
        ("MAIL_POSTAL_ADDRESS", "<b>London</b>"),
    ],
)
def test_invalid_brand_setting_is_rejected(make_app: MakeApp, name: str, value: str) -> None:
    with pytest.raises(Exception, match=name):
        make_app(**PRODUCTION, **{name: value})


def test_button_text_is_readable_on_every_color() -> None:
    shades = [f"{value:02x}" for value in range(0, 256, 15)]
    colors = [f"#{red}{green}{blue}" for red in shades for green in shades for blue in shades]

    assert min(contrast(text_color_on(color), color) for color in colors) >= MIN_CONTRAST
    assert (text_color_on("#3344a8"), text_color_on("#ffcc00")) == ("#ffffff", "#000000")
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("brand", [{}, {"MAIL_BRAND_COLOR": "#ffcc00"}], ids=["default", "brand"])
def test_mail_text_has_contrast_in_light_and_dark(make_app: MakeApp, brand: dict[str, str]) -> None:
    app = make_app(**PRODUCTION, **brand)
    with app.app_context():
        context = {**_brand(), "locale": "en", "direction": "ltr", "subject": ""}
        source = environment().get_template("mail/base.html").render(context)
    light_source, dark_source = source.split("@media (prefers-color-scheme: dark)")
    light = dict(read_styles(light_source))
    dark = {name: {**light.get(name, {}), **styles} for name, styles in read_styles(dark_source).items()}

    for name in TEXT_CLASSES:
        for styles in (light, {**light, **dark}):
            background = styles[BACKGROUNDS.get(name, ".card")]["background-color"]
            assert contrast(styles[name]["color"], background) >= MIN_CONTRAST, (name, styles[name]["color"])


def read_styles(source: str) -> dict[str, dict[str, str]]:
    """Return the declarations of each selector of a style sheet."""
    styles: dict[str, dict[str, str]] = {}
    for selectors, body in STYLES.findall(source):
        declarations = [part.partition(":") for part in body.replace("!important", "").split(";") if part.strip()]
        for selector in selectors.split(","):
            values = {name.strip(): value.strip() for name, _, value in declarations}
            styles[selector.strip()] = {**styles.get(selector.strip(), {}), **values}
    return styles


def test_mailbox_page_allows_images_of_logo_origin(make_app: MakeApp) -> None:
    client = make_app(**DEVELOPMENT, MAIL_LOGO_URL=BRAND["MAIL_LOGO_URL"]).test_client()
    policy = client.get("/dev/mailbox").headers["Content-Security-Policy"]

    assert "; img-src data: https://cdn.example.com; " in policy


@pytest.mark.parametrize("template", CONTEXTS)
def test_every_mail_ends_with_support_address(make_app: MakeApp, template: str) -> None:
    text, html = render_parts(make_app(**PRODUCTION, **BRAND), template)

    assert text.endswith("\nQuestions? Write to support@example.com\nAcme & Söhne, 1 Main Street, London\n")
    assert html.count("mailto:support@example.com") == 1
