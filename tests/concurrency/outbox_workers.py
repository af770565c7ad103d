"""Four processes that deliver the outbox concurrently, once per line of standard input."""

import sys
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

from flaskauth import create_app
from flaskauth.mail import delivery

WORKERS = 4


def run_worker(start: Barrier, finished: Barrier) -> None:
    with create_app().app_context():
        while True:
            start.wait()
            delivery.deliver_due()
            finished.wait()


def main() -> None:
    context = get_context("fork")
    start, finished = context.Barrier(WORKERS + 1), context.Barrier(WORKERS + 1)
    for _ in range(WORKERS):
        context.Process(target=run_worker, args=(start, finished), daemon=True).start()
    for _ in sys.stdin:
        start.wait()
        finished.wait()
        print("done", flush=True)


if __name__ == "__main__":
    main()
