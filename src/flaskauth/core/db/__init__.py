"""Engine, sessions, column types and compiled statements."""
