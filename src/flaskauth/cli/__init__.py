"""The `flaskauth` command."""

import gc
import sys
from importlib import import_module

# A command imports about a thousand modules. Garbage collections meanwhile or at the end would take a tenth of the time
# each, and free almost nothing. Later ones do not visit what the imports have created.
gc.disable()
if "rich" not in sys.modules:
    # structlog would import rich, a tenth of the time, for tracebacks that the log does not use.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
import_module("flaskauth.cli.main")
gc.freeze()
gc.enable()
