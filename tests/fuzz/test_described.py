"""Everything that /openapi.json describes, called for some seconds; `make fuzz` does it for minutes."""

from pathlib import Path

from tests.fuzz.described import fuzz, served

SEEDS = (1, 2, 3, 4, 5)
SHORT = {
    "generation": {"deterministic": True, "no-shrink": True, "max-examples": 2, "database": "none"},
    "phases": {"stateful": {"generation": {"max-examples": 40}}},
}
JOURNEY = {
    *("POST /auth/register", "POST /auth/verify", "POST /auth/login", "GET /users/profile", "POST /auth/refresh"),
    *("GET /auth/sessions", "POST /auth/logout", "POST /auth/forgot-password"),
}


def test_no_call_is_answered_otherwise_than_described(tmp_path: Path) -> None:
    """Chance decides how far a chain of calls comes: another seed is taken until one went the whole way."""
    statuses: set[tuple[str, int]] = set()
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        with served(folder) as app:
            found = fuzz(app, seed, **SHORT)
            described = app.test_client().get("/openapi.json").get_json()["paths"]
        assert found.finds == {}
        statuses |= set(found.statuses)
        if {(label, 200) for label in JOURNEY} <= statuses:
            break

    labels = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert labels <= {label for label, _status in statuses}
    assert {label for label in JOURNEY if (label, 200) not in statuses} == set()
