"""Another address: proven by a code, told to the old one, which can take it back for 7 days."""
