"""The ISO 3166 country and UN M49 region data, and the routes that list it."""

from collections.abc import Iterator
from typing import Any, cast
from unicodedata import combining, normalize

import pytest
from flask.testing import FlaskClient

from flaskauth.countries import service

REGIONS, COUNTRIES = cast("tuple[list[dict[str, Any]], list[dict[str, Any]]]", service.load_seed_rows())
REGION_BY_ID = {region["id"]: region for region in REGIONS}
COUNTRY_BY_CODE = {country["code"]: country for country in COUNTRIES}


def fold_name(name: str) -> str:
    return "".join(letter for letter in normalize("NFKD", name) if not combining(letter)).casefold()


def region_path(region_id: int | None) -> Iterator[int]:
    while region_id is not None:
        yield region_id
        region_id = REGION_BY_ID[region_id]["parent_id"]


def test_all_iso_3166_countries_are_listed_once() -> None:
    assert len(COUNTRIES) == 249
    for column in ("id", "code", "name"):
        assert len({country[column] for country in COUNTRIES}) == 249


def test_country_names_are_unique_without_case_and_accents() -> None:
    assert len({fold_name(country["name"]) for country in COUNTRIES}) == 249


def test_seed_rows_match_table_columns() -> None:
    assert {tuple(country) for country in COUNTRIES} == {("id", "code", "name", "region_id")}
    assert {tuple(region) for region in REGIONS} == {("id", "code", "name", "parent_id")}


def test_names_fit_column_and_are_nfc_normalized() -> None:
    names = [row["name"] for row in (*COUNTRIES, *REGIONS)]

    assert all(1 <= len(name) <= 100 for name in names)
    assert names == [normalize("NFC", name).strip() for name in names]


def test_country_and_region_codes_have_standard_format() -> None:
    assert all(code.isascii() and code.isalpha() and code.isupper() and len(code) == 2 for code in COUNTRY_BY_CODE)
    assert all(region["code"] == f"{region['id']:03}" for region in REGIONS)


@pytest.mark.parametrize(
    ("code", "number", "name"),
    [
        ("NG", 566, "Nigeria"),
        ("AF", 4, "Afghanistan"),
        ("AX", 248, "Åland Islands"),
        ("RE", 638, "Réunion"),
        ("TR", 792, "Türkiye"),
        ("US", 840, "United States"),
        ("ZM", 894, "Zambia"),
    ],
)
def test_country_numbers_and_names_match_iso_3166(code: str, number: int, name: str) -> None:
    assert (COUNTRY_BY_CODE[code]["id"], COUNTRY_BY_CODE[code]["name"]) == (number, name)


@pytest.mark.parametrize("code", ["XK", "EU", "UK", "AN"])
def test_codes_outside_iso_3166_are_not_countries(code: str) -> None:
    assert code not in COUNTRY_BY_CODE


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("NG", [11, 202, 2, 1]),
        ("EG", [15, 2, 1]),
        ("BR", [5, 419, 19, 1]),
        ("JM", [29, 419, 19, 1]),
        ("MX", [13, 419, 19, 1]),
        ("US", [21, 19, 1]),
        ("TW", [30, 142, 1]),
        ("CY", [145, 142, 1]),
        ("GG", [154, 150, 1]),
        ("NZ", [53, 9, 1]),
    ],
)
def test_country_belongs_to_expected_regions(code: str, path: list[int]) -> None:
    assert list(region_path(COUNTRY_BY_CODE[code]["region_id"])) == path


def test_only_antarctica_has_no_region() -> None:
    assert [country["code"] for country in COUNTRIES if country["region_id"] is None] == ["AQ"]


def test_regions_are_ordered_after_their_parents() -> None:
    seen: set[int | None] = {None}
    for region in REGIONS:
        assert region["parent_id"] in seen
        assert list(region_path(region["id"]))[-1] == 1
        seen.add(region["id"])
    assert len(seen) == len(REGIONS) + 1
    assert [region["id"] for region in REGIONS if region["parent_id"] is None] == [1]


def test_countries_belong_to_leaf_regions() -> None:
    leaf_ids = {country["region_id"] for country in COUNTRIES} - {None}
    parent_ids = {region["parent_id"] for region in REGIONS} - {None}

    assert leaf_ids | parent_ids == set(REGION_BY_ID)
    assert not leaf_ids & parent_ids


def test_list_countries_is_sorted_by_name(client: FlaskClient) -> None:
    response = client.get("/countries")
    body: dict[str, Any] = response.get_json()

    assert response.status_code == 200
    assert set(body) == {"status", "success", "message", "countries"}
    assert (body["status"], body["success"], body["message"]) == ("Success", True, "Countries")
    assert sorted(body["countries"], key=lambda country: country["id"]) == COUNTRIES
    assert body["countries"] == sorted(COUNTRIES, key=lambda country: fold_name(country["name"]))


def test_list_countries_sort_ignores_accents(client: FlaskClient) -> None:
    names = [country["name"] for country in client.get("/countries").get_json()["countries"]]

    assert names[:3] == ["Afghanistan", "Åland Islands", "Albania"]
    assert names.index("Costa Rica") + 1 == names.index(COUNTRY_BY_CODE["CI"]["name"]) == names.index("Croatia") - 1


def test_list_regions_is_sorted_by_id(client: FlaskClient) -> None:
    response = client.get("/regions")
    body: dict[str, Any] = response.get_json()

    assert response.status_code == 200
    assert set(body) == {"status", "success", "message", "regions"}
    assert (body["status"], body["success"], body["message"]) == ("Success", True, "Regions")
    assert body["regions"] == sorted(REGIONS, key=lambda region: region["id"])


@pytest.mark.parametrize("path", ["/countries", "/regions"])
def test_countries_and_regions_are_cacheable_for_ten_minutes(client: FlaskClient, path: str) -> None:
    assert "max-age=600" in client.get(path).headers["Cache-Control"]
