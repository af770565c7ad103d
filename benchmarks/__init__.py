"""Measurements that are no tests: they take minutes, want a quiet machine and tell figures. make help names them."""
