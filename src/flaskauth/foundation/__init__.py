"""The ground that every room stands on: clock, secrets, database, errors, HTTP. No product words here."""
