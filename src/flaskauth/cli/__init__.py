"""The `flaskauth` command."""

import gc
import sys
from importlib import import_module

# A command imports about a thousand modules. Garbage collections meanwhile would take a tenth of the time. One at the
# end frees what the imports left, and later ones do not visit what remains.
gc.disable()
if "rich" not in sys.modules:
    # structlog would import rich, a tenth of the time, for tracebacks that the log does not use.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
import_module("flaskauth.cli.main")
gc.collect()
gc.freeze()
gc.enable()
