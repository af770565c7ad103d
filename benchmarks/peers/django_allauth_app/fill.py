"""Create the tables, the signing key of the tokens, and users who share one password hash."""

import os

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from allauth.account.models import EmailAddress  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
settings.KEY.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
call_command("migrate", verbosity=0)
password_hash = make_password(os.environ["PASSWORD"])
emails = map(os.environ["EMAIL"].format, range(int(os.environ["USER_COUNT"])))
User.objects.bulk_create(
    User(username=f"grace{n}", email=email, password=password_hash) for n, email in enumerate(emails)
)
users = User.objects.all()
EmailAddress.objects.bulk_create(
    EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in users
)
