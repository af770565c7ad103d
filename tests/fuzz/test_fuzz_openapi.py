"""Call everything in /openapi.json for some seconds. `make test-slow SUITE=fuzz` does so for minutes."""

from pathlib import Path

from tests.fuzz.openapi import create_fuzzed_app, fuzz_api

SEEDS = (1, 2, 3, 4, 5)
QUICK_CONFIG = {
    "generation": {"deterministic": True, "no-shrink": True, "max-examples": 2, "database": "none"},
    "phases": {"stateful": {"generation": {"max-examples": 40}}},
}
REQUIRED_SUCCESSES = {
    *("POST /auth/register", "POST /auth/verify", "POST /auth/login", "GET /users/profile", "POST /auth/refresh"),
    *("GET /auth/sessions", "POST /auth/logout", "POST /auth/forgot-password"),
}


def test_every_route_responds_as_openapi_describes(tmp_path: Path) -> None:
    """How far a sequence of calls gets depends on the seed, so several are tried until one is complete."""
    statuses: set[tuple[str, int]] = set()
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        with create_fuzzed_app(folder) as app:
            report = fuzz_api(app, seed, **QUICK_CONFIG)
            paths = app.test_client().get("/openapi.json").get_json()["paths"]
        assert report.findings == {}
        statuses |= set(report.statuses)
        if {(label, 200) for label in REQUIRED_SUCCESSES} <= statuses:
            break

    labels = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert labels <= {label for label, _status in statuses}
    assert {label for label in REQUIRED_SUCCESSES if (label, 200) not in statuses} == set()
