"""Background jobs in threads or in Celery."""
