"""Mail: an outbox in the database, delivery over SMTP, and a mailbox page for development."""

from flaskauth.mail.outbox import EmailRecipient, Recipient, notify

__all__ = ["EmailRecipient", "Recipient", "notify"]
