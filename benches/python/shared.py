"""Locks and values of multiprocessing.

    shared.py lock|semaphore|value PROCESSES COUNT
"""

import multiprocessing as mp
import sys
import time

from measure import check, cpu_used, report


def turns(what, shared, begin, spans, count):
    begin.wait()
    start = time.monotonic_ns()
    if what == "value":
        for _ in range(count):
            with shared.get_lock():
                shared.value += 1
    else:
        for _ in range(count):
            shared.acquire()
            shared.release()
    spans.put((start, time.monotonic_ns()))


def main():
    what, processes, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    context = mp.get_context("fork")
    before = cpu_used()
    shared = {
        "lock": context.Lock,
        "semaphore": lambda: context.Semaphore(1),
        "value": lambda: context.Value("q", 0),
    }[what]()
    begin, spans = context.Barrier(processes), context.Queue()
    children = [
        context.Process(target=turns, args=(what, shared, begin, spans, count)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    found = [spans.get() for _ in children]
    for child in children:
        child.join()
    if what == "value":
        check("sum", shared.value, processes * count)
    seconds = (max(end for _, end in found) - min(start for start, _ in found)) / 1e9
    report(processes * count, seconds, cpu_used() - before)


main()
