"""The end of an account: closed by its owner, taken back within a week, then erased wherever it left something."""
