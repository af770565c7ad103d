"""Authentication methods of a session: the claim `amr` (RFC 8176), stored as text such as "pwd otp mfa", and `acr`.

The first method is `pwd` (password), `email` (a mailed code), `hwk` or `swk` (a passkey that verified its user). As a
second factor follow `otp` (also for a recovery code), `hwk` (a key bound to one device) or `swk` (a synced one).
"""

PASSWORD = "pwd"  # noqa: S105
EMAIL = "email"
ONE_TIME_CODE = "otp"  # also a recovery code, for which RFC 8176 has no value
DEVICE_BOUND, SYNCED = "hwk", "swk"
PASSKEYS = {DEVICE_BOUND, SYNCED}
SECOND_FACTORS = {ONE_TIME_CODE, *PASSKEYS}
USER_VERIFIED = "user"
MULTIPLE_FACTORS = "mfa"


def of_passkey(*, is_synced: bool) -> str:
    """Return the method of a passkey or security key."""
    return SYNCED if is_synced else DEVICE_BOUND


def alone(passkey: str) -> str:
    """Return the methods of a sign-in with a passkey that verified its user, which counts as two factors."""
    return f"{passkey} {USER_VERIFIED} {MULTIPLE_FACTORS}"


def add(first: str, method: str) -> str:
    """Return the methods of a sign-in that began with `first` and added a second factor.

    A mailed code is no factor by NIST SP 800-63B-4, so it never makes a sign-in multi-factor.
    """
    methods = [item for item in first.split() if item not in {*SECOND_FACTORS, MULTIPLE_FACTORS}]
    return " ".join([*methods, method, *([] if EMAIL in methods else [MULTIPLE_FACTORS])])


def has_second_factor(amr: str) -> bool:
    """Return True if a second factor was proven, or a passkey that counts as two."""
    return not SECOND_FACTORS.isdisjoint(amr.split())


def has_passkey(amr: str) -> bool:
    """Return True if a passkey or a security key was proven."""
    return not PASSKEYS.isdisjoint(amr.split())


def acr(amr: str) -> str:
    """Return the authentication assurance level of NIST SP 800-63B-4."""
    return "aal2" if MULTIPLE_FACTORS in amr.split() else "aal1"
