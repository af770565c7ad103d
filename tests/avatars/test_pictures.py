"""Putting a picture up, showing it, replacing it, taking it down."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from PIL import Image
from tests.avatars.files import BLUE, RED, from_a_camera, picture, png, read, saved
from tests.avatars.wearing import Wearer, kept, name_in
from tests.conftest import MakeApp
from tests.inside import recorded, refused

from flaskauth.foundation import clock

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ADDRESS = re.compile(r"http://localhost:5000/avatars/[A-Za-z0-9_-]{22}\.webp")
NO_NAMES = (
    *("x", "x.webp", "A" * 22, "A" * 21 + ".webp", "A" * 23 + ".webp", "A" * 22 + ".png", "A" * 22 + ".webp.webp"),
    *("A" * 22 + ".WEBP", "A" * 22 + ".webp%00", "A" * 22 + ".webp%0a", "A" * 21 + "%2f.webp", "A" * 21 + "é.webp"),
    *("..%2f..%2fsecret_key", "%2e%2e%2ftest.db", "..", ".", "~", "A" * 21 + "=.webp", "A" * 21 + "+.webp", "A" * 5000),
    "A" * 22 + ".webp",
)
# How a camera was held, and whether the red side is then on top, right, ... of what is seen.
RED_SIDE = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}


@pytest.fixture
def grace(app: Flask) -> Wearer:
    return Wearer.joined(app)


def side_of_red(image: Image.Image) -> str:
    width, height = image.size
    spots = {
        "left": ((5, height // 2), (width - 5, height // 2)),
        "right": ((width - 5, height // 2), (5, height // 2)),
        "top": ((width // 2, 5), (width // 2, height - 5)),
        "bottom": ((width // 2, height - 5), (width // 2, 5)),
    }
    return next(side for side, (red, blue) in spots.items() if is_red(image, red) and not is_red(image, blue))


def is_red(image: Image.Image, spot: tuple[int, int]) -> bool:
    pixel = image.convert("RGB").getpixel(spot)
    assert isinstance(pixel, tuple)
    return pixel[0] > 150 > pixel[2]


def test_a_picture_is_put_up_and_everybody_can_see_it(app: Flask, grace: Wearer) -> None:
    assert grace.shown is None
    answer = grace.put(picture())

    assert answer.get_json()["message"] == "Picture Updated"
    assert ADDRESS.fullmatch(answer.get_json()["user"]["avatar"])
    assert grace.shown == answer.get_json()["user"]["avatar"]
    assert recorded(app, "avatar_changed").user_id == answer.get_json()["user"]["id"]
    seen = grace.look(name_in(answer))
    assert (seen.status_code, seen.mimetype) == (200, "image/webp")
    assert (read(seen.data).format, read(seen.data).size) == ("WEBP", (512, 384))


def test_a_new_picture_has_a_new_address_and_the_old_one_is_gone(app: Flask, grace: Wearer) -> None:
    old = grace.wears(picture())
    new = grace.wears(picture())

    assert old != new
    assert kept(app) == {new}
    assert grace.look(new).status_code == 200
    assert refused(grace.look(old)) == (404, "not_found")


def test_twenty_replacements_leave_one_file(app: Flask, grace: Wearer) -> None:
    names = [grace.wears(picture()) for _ in range(20)]

    assert len(set(names)) == 20
    assert kept(app) == {names[-1]}


def test_a_picture_is_taken_down(app: Flask, grace: Wearer) -> None:
    name = grace.wears(picture())
    answer = grace.remove()

    assert (answer.status_code, answer.get_json()["message"]) == (200, "Picture Removed")
    assert (answer.get_json()["user"]["avatar"], grace.shown) == (None, None)
    assert kept(app) == set()
    assert grace.look(name).status_code == 404
    assert grace.remove().status_code == 200
    assert recorded(app, "avatar_removed").user_id == answer.get_json()["user"]["id"]


def test_nobody_touches_the_picture_of_somebody_else(app: Flask, grace: Wearer) -> None:
    ada = Wearer.joined(app, "ada@example.com")
    name = grace.wears(picture())
    ada.remove()
    other = ada.wears(picture())

    assert kept(app) == {name, other}
    assert grace.look(name).status_code == 200


@ON_SQLITE
def test_who_is_not_signed_in_puts_nothing_up(app: Flask, grace: Wearer) -> None:
    grace.token = "x"
    assert refused(grace.put(picture())) == (401, "invalid_token")
    assert refused(grace.remove()) == (401, "invalid_token")
    assert kept(app) == set()


@ON_SQLITE
def test_what_is_shown_can_be_nothing_but_a_picture(grace: Wearer) -> None:
    answer = grace.look(grace.wears(picture()))

    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert "Set-Cookie" not in answer.headers


@ON_SQLITE
def test_it_is_handed_over_in_pieces(grace: Wearer) -> None:
    answer = grace.app.test_client().get(f"/avatars/{grace.wears(picture())}", buffered=False)

    assert answer.is_streamed
    assert read(b"".join(answer.iter_encoded())).format == "WEBP"


@ON_SQLITE
def test_only_names_that_were_given_are_found(app: Flask, grace: Wearer) -> None:
    grace.wears(picture())
    for name in NO_NAMES:
        answer = grace.look(name)
        assert (refused(answer), answer.headers["Cache-Control"]) == ((404, "not_found"), "no-store"), name


@ON_SQLITE
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_each_kind_is_taken_whatever_it_is_called(grace: Wearer, kind: str) -> None:
    answer = grace.put(picture(kind), name="../../x.svg")

    assert read(grace.look(name_in(answer)).data).size == (512, 384)
    assert side_of_red(read(grace.look(name_in(answer)).data)) == "left"


@ON_SQLITE
@pytest.mark.parametrize(
    ("size", "made"), [((1, 1), (1, 1)), ((512, 20), (512, 20)), ((2000, 10), (512, 3)), ((5000, 5000), (512, 512))]
)
def test_it_keeps_its_proportions_and_never_grows(grace: Wearer, size: tuple[int, int], made: tuple[int, int]) -> None:
    assert read(grace.look(grace.wears(png(*size))).data).size == made


@ON_SQLITE
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_way_to_store_colours_is_read(grace: Wearer, mode: str) -> None:
    name = grace.wears(saved(Image.new(mode, (300, 200)), "PNG"))

    assert read(grace.look(name).data).size == (300, 200)


@ON_SQLITE
def test_print_colours_are_read(grace: Wearer) -> None:
    name = grace.wears(saved(Image.new("CMYK", (300, 200), (0, 255, 255, 0)), "JPEG"))

    assert is_red(read(grace.look(name).data), (100, 100))


@ON_SQLITE
def test_what_is_transparent_stays_so(grace: Wearer) -> None:
    image = Image.new("RGBA", (300, 200), (*RED, 255))
    image.paste((*BLUE, 0), (150, 0, 300, 200))
    seen = read(grace.look(grace.wears(saved(image, "PNG"))).data).convert("RGBA")

    assert [seen.getchannel("A").getpixel(spot) for spot in ((20, 100), (280, 100))] == [255, 0]


@ON_SQLITE
@pytest.mark.parametrize(("orientation", "side"), RED_SIDE.items())
def test_it_is_set_upright(grace: Wearer, orientation: int, side: str) -> None:
    seen = read(grace.look(grace.wears(from_a_camera(orientation))).data)

    assert side_of_red(seen) == side
    assert seen.size == ((512, 384) if orientation < 5 else (384, 512))


@ON_SQLITE
def test_an_odd_orientation_is_none(grace: Wearer) -> None:
    assert side_of_red(read(grace.look(grace.wears(from_a_camera(77))).data)) == "left"


@ON_SQLITE
def test_of_a_moving_picture_the_first_frame_is_taken(grace: Wearer) -> None:
    red, blue = (Image.new("RGB", (300, 200), color) for color in (RED, BLUE))
    for kind in ("PNG", "WEBP"):
        seen = read(grace.look(grace.wears(saved(red, kind, save_all=True, append_images=[blue] * 5))).data)
        assert not getattr(seen, "is_animated", False)
        assert is_red(seen, (100, 100)), kind


@ON_SQLITE
def test_the_address_is_the_one_that_people_reach(make_app: MakeApp) -> None:
    grace = Wearer.joined(make_app(PUBLIC_URL="https://id.example.com/accounts"))
    name = grace.wears(picture())

    assert grace.shown == f"https://id.example.com/accounts/avatars/{name}"


@ON_SQLITE
def test_it_is_among_what_a_sign_in_says(grace: Wearer) -> None:
    grace.wears(picture())

    assert grace.sign_in()["user"]["avatar"] == grace.shown


@ON_SQLITE
def test_thirty_an_hour_are_enough(app: Flask, grace: Wearer) -> None:
    for _ in range(30):
        grace.wears(png(2, 2))
    answer = grace.put(png(2, 2))
    assert refused(answer) == (429, "too_many_requests")
    assert 3500 < answer.get_json()["retry_after"] <= 3600
    assert len(kept(app)) == 1
    assert Wearer.joined(app, "ada@example.com").put(png(2, 2)).status_code == 200

    clock.travel(timedelta(hours=1, seconds=1))
    grace.sign_in()
    assert grace.put(png(2, 2)).status_code == 200
