"""Background jobs in threads or in Celery, and batches of requests."""
