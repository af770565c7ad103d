"""One-time codes: derived, mailed, guessed at most so often, used at most once."""
