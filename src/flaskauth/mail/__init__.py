"""Mail: an outbox in the database, delivery over SMTP, and in development a mailbox to look into."""
