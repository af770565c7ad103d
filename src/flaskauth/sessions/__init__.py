"""Sessions: opened by a sign-in, carried on by refresh tokens, ended at once; and the guards of every route."""
