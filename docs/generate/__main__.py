"""python -m docs.generate"""

from contextlib import redirect_stderr
from io import StringIO

from docs.generate import PAGES, ROOT, render

with redirect_stderr(StringIO()):  # discard the application's log; exceptions are still printed
    texts = {path: render(path) for path in PAGES}
for path, text in texts.items():
    (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / path).write_text(text, encoding="utf-8")
