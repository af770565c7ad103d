"""Sign-in by password; `finish` is the one door that every sign-in passes."""
