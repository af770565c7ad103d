"""Benchmarks: they take minutes, need an idle machine and report figures. `make help` lists them."""
