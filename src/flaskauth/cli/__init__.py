"""The `flaskauth` command."""

import gc
from importlib import import_module

# A command imports about a thousand modules. Garbage collections meanwhile take a tenth of the time and free nothing.
gc.disable()
import_module("flaskauth.cli.main")
gc.enable()
