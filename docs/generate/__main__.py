"""python -m docs.generate"""

from contextlib import redirect_stderr
from io import StringIO

from docs.generate import PAGES, ROOT, made

with redirect_stderr(StringIO()):  # what the application logs; what is wrong is said after it
    pages = {path: made(path) for path in PAGES}
for path, text in pages.items():
    (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / path).write_text(text, encoding="utf-8")
