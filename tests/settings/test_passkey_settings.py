"""The RP ID and the origins of passkeys."""

import pytest
from tests.settings.test_settings import PRODUCTION, error_names, load

APK = "android:apk-key-hash:" + "a" * 43


def test_rp_id_and_origin_default_to_public_url() -> None:
    settings = load(**{**PRODUCTION, "PUBLIC_URL": "https://Auth.Example.com:443/accounts"})

    assert (settings.rp_id, settings.passkey_origins) == ("auth.example.com", ("https://auth.example.com",))
    assert settings.related_origins == ()


@pytest.mark.parametrize(
    "value",
    [
        *("192.0.2.1", "[2001:db8::1]", "com", "co.uk", "com.ng", "https://example.com", "example.com:443"),
        *("example.com/", "*.com", "a_b.com"),
    ],
)
def test_rp_id_that_no_browser_accepts_is_an_error(value: str) -> None:
    assert error_names(**PRODUCTION, WEBAUTHN_RP_ID=value) == ["WEBAUTHN_RP_ID"]


@pytest.mark.parametrize(
    "value",
    [
        *("http://app.example.com", "https://app.example.com/path", "capacitor://localhost", "null", "*"),
        *("https://*.example.com", "app.example.com", "android:apk-key-hash:abc", APK + "a"),
    ],
)
def test_webauthn_origin_with_fault_is_an_error(value: str) -> None:
    assert error_names(**PRODUCTION, WEBAUTHN_ORIGINS=f"https://app.example.com, {value}") == ["WEBAUTHN_ORIGINS"]


def test_origins_outside_the_rp_id_are_related() -> None:
    origins = f"https://example.com, https://app.example.com, https://EXAMPLE.org, https://badexample.com, {APK}"
    settings = load(**PRODUCTION, WEBAUTHN_RP_ID="Example.com", WEBAUTHN_ORIGINS=origins)

    assert settings.rp_id == "example.com"
    assert settings.passkey_origins[0] == "https://auth.example.com"
    assert settings.passkey_origins[-1] == APK
    assert settings.related_origins == ("https://example.org", "https://badexample.com")


def test_loopback_origin_may_use_http() -> None:
    assert load(**PRODUCTION, WEBAUTHN_ORIGINS="http://localhost:3000").passkey_origins[1] == "http://localhost:3000"


def test_passkey_warnings_name_ip_address_and_too_many_labels() -> None:
    countries = ", ".join(f"https://example.{domain}" for domain in ("de", "fr", "co.uk", "com.ng", "nl", "pl", "tz"))
    names = ", ".join(f"https://example{number}.com" for number in range(6))

    def warnings(**environ: str) -> list[str]:
        messages = load(**{**PRODUCTION, "APP_NAME": "Acme", "MAIL_USE_TLS": "1", **environ}).warnings()
        return [message.partition(":")[0] for message in messages]

    assert warnings(PUBLIC_URL="https://192.0.2.1") == ["WEBAUTHN_RP_ID"]
    assert warnings(WEBAUTHN_ORIGINS=countries) == []
    assert warnings(WEBAUTHN_ORIGINS=names) == ["WEBAUTHN_ORIGINS"]
