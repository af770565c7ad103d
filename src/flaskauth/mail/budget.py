"""How many mails may be asked for without signing in: so many to one address, whoever asks."""

from datetime import timedelta

from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance

TO_ADDRESS_FROM_NETWORK = Allowance(3, timedelta(hours=1))
TO_ADDRESS = Allowance(20, timedelta(days=1))
TO_ADDRESS_IF_KNOWN = Allowance(5, timedelta(days=1))


def take(address: str, network: str, *, is_known: bool) -> bool:
    """Whether one more mail may go to this address; `is_known` devices and networks have some of their own besides."""
    if not throttles.spend(throttles.key_of("mail", address, network), TO_ADDRESS_FROM_NETWORK).granted:
        return False
    if throttles.spend(throttles.key_of("mail", address), TO_ADDRESS).granted:
        return True
    return is_known and throttles.spend(throttles.key_of("mail known", address), TO_ADDRESS_IF_KNOWN).granted
