"""python -m docs.generate"""

from docs.generate import PAGES, ROOT, made

for path in PAGES:
    (ROOT / path).write_text(made(path), encoding="utf-8")
