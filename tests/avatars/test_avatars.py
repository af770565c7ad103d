"""Uploading, serving, replacing and deleting an avatar."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from PIL import Image
from tests.avatars.helpers import AvatarUser, avatar_name, stored_files
from tests.avatars.sample_images import BLUE, RED, camera_jpeg, encode_image, make_image, make_png, open_image
from tests.conftest import MakeApp
from tests.support.inspect import error_of, single_event

from flaskauth.core import clock

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
AVATAR_URL = re.compile(r"http://localhost:5000/avatars/[A-Za-z0-9_-]{22}\.webp")
UNKNOWN_NAMES = (
    *("x", "x.webp", "A" * 22, "A" * 21 + ".webp", "A" * 23 + ".webp", "A" * 22 + ".png", "A" * 22 + ".webp.webp"),
    *("A" * 22 + ".WEBP", "A" * 22 + ".webp%00", "A" * 22 + ".webp%0a", "A" * 21 + "%2f.webp", "A" * 21 + "é.webp"),
    *("..%2f..%2fsecret_key", "%2e%2e%2ftest.db", "..", ".", "~", "A" * 21 + "=.webp", "A" * 21 + "+.webp", "A" * 5000),
    "A" * 22 + ".webp",
)
# EXIF orientation, and the side of the displayed image that is red.
RED_SIDE = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}


@pytest.fixture
def avatar_user(app: Flask) -> AvatarUser:
    return AvatarUser.create(app)


def find_red_side(image: Image.Image) -> str:
    width, height = image.size
    positions = {
        "left": ((5, height // 2), (width - 5, height // 2)),
        "right": ((width - 5, height // 2), (5, height // 2)),
        "top": ((width // 2, 5), (width // 2, height - 5)),
        "bottom": ((width // 2, height - 5), (width // 2, 5)),
    }
    return next(side for side, (red, blue) in positions.items() if is_red(image, red) and not is_red(image, blue))


def is_red(image: Image.Image, position: tuple[int, int]) -> bool:
    pixel = image.convert("RGB").getpixel(position)
    assert isinstance(pixel, tuple)
    return pixel[0] > 150 > pixel[2]


def test_upload_avatar_is_publicly_visible(app: Flask, avatar_user: AvatarUser) -> None:
    assert avatar_user.avatar_url is None
    response = avatar_user.put(make_image())

    assert response.get_json()["message"] == "Avatar Updated"
    assert AVATAR_URL.fullmatch(response.get_json()["user"]["avatar"])
    assert avatar_user.avatar_url == response.get_json()["user"]["avatar"]
    assert single_event(app, "avatar_changed").user_id == response.get_json()["user"]["id"]
    avatar = avatar_user.fetch(avatar_name(response))
    assert (avatar.status_code, avatar.mimetype) == (200, "image/webp")
    assert (open_image(avatar.data).format, open_image(avatar.data).size) == ("WEBP", (512, 384))


def test_new_avatar_has_new_url_and_replaces_old_file(app: Flask, avatar_user: AvatarUser) -> None:
    old_name = avatar_user.upload(make_image())
    new_name = avatar_user.upload(make_image())

    assert old_name != new_name
    assert stored_files(app) == {new_name}
    assert avatar_user.fetch(new_name).status_code == 200
    assert error_of(avatar_user.fetch(old_name)) == (404, "not_found")


def test_twenty_avatar_replacements_leave_one_file(app: Flask, avatar_user: AvatarUser) -> None:
    names = [avatar_user.upload(make_image()) for _ in range(20)]

    assert len(set(names)) == 20
    assert stored_files(app) == {names[-1]}


def test_delete_avatar_removes_file_and_is_idempotent(app: Flask, avatar_user: AvatarUser) -> None:
    name = avatar_user.upload(make_image())
    response = avatar_user.remove()

    assert (response.status_code, response.get_json()["message"]) == (200, "Avatar Removed")
    assert (response.get_json()["user"]["avatar"], avatar_user.avatar_url) == (None, None)
    assert stored_files(app) == set()
    assert avatar_user.fetch(name).status_code == 404
    assert avatar_user.remove().status_code == 200
    assert single_event(app, "avatar_removed").user_id == response.get_json()["user"]["id"]


def test_avatar_changes_do_not_affect_other_users(app: Flask, avatar_user: AvatarUser) -> None:
    ada = AvatarUser.create(app, "ada@example.com")
    name = avatar_user.upload(make_image())
    ada.remove()
    other_name = ada.upload(make_image())

    assert stored_files(app) == {name, other_name}
    assert avatar_user.fetch(name).status_code == 200


@ON_SQLITE
def test_avatar_upload_with_invalid_token_is_rejected(app: Flask, avatar_user: AvatarUser) -> None:
    avatar_user.token = "x"
    assert error_of(avatar_user.put(make_image())) == (401, "invalid_token")
    assert error_of(avatar_user.remove()) == (401, "invalid_token")
    assert stored_files(app) == set()


@ON_SQLITE
def test_avatar_response_has_security_headers(avatar_user: AvatarUser) -> None:
    response = avatar_user.fetch(avatar_user.upload(make_image()))

    assert response.headers["Content-Type"] == "image/webp"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert "Set-Cookie" not in response.headers


@ON_SQLITE
def test_avatar_response_is_streamed(avatar_user: AvatarUser) -> None:
    response = avatar_user.app.test_client().get(f"/avatars/{avatar_user.upload(make_image())}", buffered=False)

    assert response.is_streamed
    assert open_image(b"".join(response.iter_encoded())).format == "WEBP"


@ON_SQLITE
def test_unknown_avatar_names_are_not_found(app: Flask, avatar_user: AvatarUser) -> None:
    avatar_user.upload(make_image())
    for name in UNKNOWN_NAMES:
        response = avatar_user.fetch(name)
        assert (error_of(response), response.headers["Cache-Control"]) == ((404, "not_found"), "no-store"), name


@ON_SQLITE
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_avatar_type_is_detected_by_content(avatar_user: AvatarUser, image_format: str) -> None:
    response = avatar_user.put(make_image(image_format), name="../../x.svg")

    assert open_image(avatar_user.fetch(avatar_name(response)).data).size == (512, 384)
    assert find_red_side(open_image(avatar_user.fetch(avatar_name(response)).data)) == "left"


@ON_SQLITE
@pytest.mark.parametrize(
    ("size", "expected_size"),
    [((1, 1), (1, 1)), ((512, 20), (512, 20)), ((2000, 10), (512, 3)), ((5000, 5000), (512, 512))],
)
def test_avatar_keeps_proportions_and_is_never_enlarged(
    avatar_user: AvatarUser, size: tuple[int, int], expected_size: tuple[int, int]
) -> None:
    assert open_image(avatar_user.fetch(avatar_user.upload(make_png(*size))).data).size == expected_size


@ON_SQLITE
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_avatar_accepts_every_color_mode(avatar_user: AvatarUser, mode: str) -> None:
    name = avatar_user.upload(encode_image(Image.new(mode, (300, 200)), "PNG"))

    assert open_image(avatar_user.fetch(name).data).size == (300, 200)


@ON_SQLITE
def test_avatar_accepts_cmyk_jpeg(avatar_user: AvatarUser) -> None:
    name = avatar_user.upload(encode_image(Image.new("CMYK", (300, 200), (0, 255, 255, 0)), "JPEG"))

    assert is_red(open_image(avatar_user.fetch(name).data), (100, 100))


@ON_SQLITE
def test_avatar_keeps_transparency(avatar_user: AvatarUser) -> None:
    image = Image.new("RGBA", (300, 200), (*RED, 255))
    image.paste((*BLUE, 0), (150, 0, 300, 200))
    avatar = open_image(avatar_user.fetch(avatar_user.upload(encode_image(image, "PNG"))).data).convert("RGBA")

    assert [avatar.getchannel("A").getpixel(position) for position in ((20, 100), (280, 100))] == [255, 0]


@ON_SQLITE
@pytest.mark.parametrize(("orientation", "side"), RED_SIDE.items())
def test_avatar_applies_exif_orientation(avatar_user: AvatarUser, orientation: int, side: str) -> None:
    avatar = open_image(avatar_user.fetch(avatar_user.upload(camera_jpeg(orientation))).data)

    assert find_red_side(avatar) == side
    assert avatar.size == ((512, 384) if orientation < 5 else (384, 512))


@ON_SQLITE
def test_avatar_ignores_invalid_exif_orientation(avatar_user: AvatarUser) -> None:
    assert find_red_side(open_image(avatar_user.fetch(avatar_user.upload(camera_jpeg(77))).data)) == "left"


@ON_SQLITE
def test_animated_avatar_keeps_only_first_frame(avatar_user: AvatarUser) -> None:
    red, blue = (Image.new("RGB", (300, 200), color) for color in (RED, BLUE))
    for image_format in ("PNG", "WEBP"):
        avatar = open_image(
            avatar_user.fetch(
                avatar_user.upload(encode_image(red, image_format, save_all=True, append_images=[blue] * 5))
            ).data
        )
        assert not getattr(avatar, "is_animated", False)
        assert is_red(avatar, (100, 100)), image_format


@ON_SQLITE
def test_avatar_url_uses_public_url(make_app: MakeApp) -> None:
    grace = AvatarUser.create(make_app(PUBLIC_URL="https://id.example.com/accounts"))
    name = grace.upload(make_image())

    assert grace.avatar_url == f"https://id.example.com/accounts/avatars/{name}"


@ON_SQLITE
def test_login_response_contains_avatar_url(avatar_user: AvatarUser) -> None:
    avatar_user.upload(make_image())

    assert avatar_user.sign_in()["user"]["avatar"] == avatar_user.avatar_url


@ON_SQLITE
def test_avatar_rate_limit_is_thirty_uploads_per_hour(app: Flask, avatar_user: AvatarUser) -> None:
    for _ in range(30):
        avatar_user.upload(make_png(2, 2))
    response = avatar_user.put(make_png(2, 2))
    assert error_of(response) == (429, "too_many_requests")
    assert 3500 < response.get_json()["retry_after"] <= 3600
    assert len(stored_files(app)) == 1
    assert AvatarUser.create(app, "ada@example.com").put(make_png(2, 2)).status_code == 200

    clock.travel(timedelta(hours=1, seconds=1))
    avatar_user.sign_in()
    assert avatar_user.put(make_png(2, 2)).status_code == 200
