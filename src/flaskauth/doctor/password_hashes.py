"""Report which build of the Argon2 library is installed, and how long a hash takes."""

import time
from importlib.metadata import distribution

from flaskauth.core.passwords import hashes
from flaskauth.doctor.findings import CheckGroup, Finding, ok, run_checks

DISTRIBUTION = "argon2-cffi-bindings"
PREBUILT_PLATFORMS = ("manylinux", "musllinux")  # a local build has the plain tag `linux`


def _check_argon2() -> Finding:
    """Report the build. One that uses instructions that the processor lacks ends this command with SIGILL."""
    wheel = distribution(DISTRIBUTION).read_text("WHEEL") or ""
    hashes.hash_password("", None)  # the first call also loads the library and gets memory
    started = time.perf_counter()
    hashes.hash_password("", None)
    milliseconds = 1000 * (time.perf_counter() - started)
    if any(platform in wheel for platform in PREBUILT_PLATFORMS):
        build = "Argon2 is prebuilt for all processors; a native build is faster"
    else:
        build = "Argon2 was compiled on installation"
    return ok(f"{build} (one hash took {milliseconds:.0f} ms)")


CHECKS = {"password-hash": _check_argon2}
GROUP = CheckGroup(tuple(CHECKS), frozenset(), lambda: run_checks(CHECKS))
