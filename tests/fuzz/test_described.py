"""Everything that /openapi.json describes, called for some seconds; `make fuzz` does it for minutes."""

from pathlib import Path

from tests.fuzz.described import fuzz, served

SEEDS = (1, 2, 3, 4)
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
    with served(tmp_path) as app:
        for seed in SEEDS:
            found = fuzz(app, seed, **SHORT)
            assert found.finds == {}
            statuses |= set(found.statuses)
            if {(label, 200) for label in JOURNEY} <= statuses:
                break
        described = app.test_client().get("/openapi.json").get_json()["paths"]

    labels = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert labels <= {label for label, _status in statuses}
    assert {label for label in JOURNEY if (label, 200) not in statuses} == set()
