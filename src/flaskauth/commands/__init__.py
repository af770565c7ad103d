"""Groups of commands, one module each, and what they share at the terminal."""
