"""The `.env` file of the tutorial."""

PUBLISHED_SECRET = "7vgtdjh_fgWQgdhLbas9df9409sf6a6ds4f3435fa64\u02c6GggfXV6Miy"
DOTENV_TEMPLATE = """\
APP_NAME=MyApp
SECRET_KEY='{secret}'
FLASK_APP=flaskauth
FLASK_DEBUG=True
FLASK_TESTING=False
SQLALCHEMY_DATABASE_URI={database}
MAIL_SERVER={mail_server}
MAIL_PORT={mail_port}
MAIL_USERNAME=someone@example.com
MAIL_PASSWORD=mail password
MAIL_USE_TLS=False
MAIL_USE_SSL={mail_ssl}
MAIL_DEFAULT_SENDER=someone@example.com
MAIL_DEBUG=True
SERVER_NAME=127.0.0.1:{port}
AWS_SECRET_KEY=
AWS_KEY_ID=
AWS_BUCKET=
JWT_DURATION=10080
REFRESH_TOKEN_DURATION=525600
"""


def dotenv_text(database: str, port: int = 5000, mail_port: int | None = None) -> str:
    """Return the tutorial's `.env` with this database and port, and with the local mail server if a port is given."""
    server, ssl = ("127.0.0.1", False) if mail_port else ("smtp.example.com", True)
    return DOTENV_TEMPLATE.format(
        secret=PUBLISHED_SECRET,
        database=database,
        port=port,
        mail_server=server,
        mail_port=mail_port or 465,
        mail_ssl=ssl,
    )
