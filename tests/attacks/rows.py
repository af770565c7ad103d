"""The attacks that the server must withstand, by section: what is tried, and which tests beside those here hold it.

A row without a test beside is a case in this folder: a function whose name begins with the row's id. The rows stand for
classes; whoever knows another member of one adds it to the case.
"""

from tests.attacks import rows_a_to_f as first
from tests.attacks import rows_g_to_o as second

ROWS: dict[str, tuple[str, ...]] = {
    **first.A_PARSING,
    **first.B_REGISTERING,
    **first.C_CODES,
    **first.D_SIGNING_IN,
    **first.E_ACCESS_TOKENS,
    **first.F_SESSIONS,
    **second.G_PASSWORDS,
    **second.H_ADDRESSES,
    **second.I_PROFILES,
    **second.J_PICTURES,
    **second.M_HTTP,
    **second.N_LIMITS,
    **second.O_SURROUNDINGS,
}

# What does not apply, and why.
NOT_HERE = {
    "G17": "no operator sets or asks for anybody's password",
    "G21": "there is one tenant",
    "H11": "nobody signs in by another service",
    "I15": "no call takes the address of something to fetch",
}
