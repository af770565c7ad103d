"""Password hashing and hashes of other frameworks."""
