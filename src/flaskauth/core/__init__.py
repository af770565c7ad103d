"""Infrastructure that knows no feature: clock, cryptography, database, HTTP, passwords, jobs, logging."""
