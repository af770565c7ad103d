"""python -m tests.races.sweeping: four processes that sweep the outbox together, once for each line of its input."""

import sys
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

from flaskauth import create_app
from flaskauth.mail import delivery

WORKERS = 4


def work(begin: Barrier, done: Barrier) -> None:
    with create_app().app_context():
        while True:
            begin.wait()
            delivery.sweep()
            done.wait()


def main() -> None:
    context = get_context("fork")
    begin, done = context.Barrier(WORKERS + 1), context.Barrier(WORKERS + 1)
    for _ in range(WORKERS):
        context.Process(target=work, args=(begin, done), daemon=True).start()
    for _ in sys.stdin:
        begin.wait()
        done.wait()
        print("swept", flush=True)


if __name__ == "__main__":
    main()
