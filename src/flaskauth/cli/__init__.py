"""The `flaskauth` command."""

import gc
from importlib import import_module

# A command imports about a thousand modules. Garbage collections meanwhile would take a tenth of the time. One at the
# end frees what the imports left, and later ones do not visit what remains.
gc.disable()
import_module("flaskauth.cli.main")
gc.collect()
gc.freeze()
gc.enable()
