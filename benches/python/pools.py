"""Pools of Python: pools.py WORKLOAD WHICH COUNT [CHUNK]

WORKLOAD is light (COUNT squares), latency (COUNT squares, one at a time) or heavy (COUNT tasks of 10 ms, each tenth of 100 ms).
WHICH is pool, unordered (Pool.imap_unordered), executor (ProcessPoolExecutor), loky or mpire. CHUNK 0 is each one's own default.
"""

import importlib.util
import multiprocessing as mp
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from measure import check, cpu_used, report

WORKERS = 2


def square(number):
    return number * number


def spin(milliseconds):
    end = time.monotonic_ns() + milliseconds * 1_000_000
    while time.monotonic_ns() < end:
        pass
    return milliseconds


def mapped(which, function, inputs, chunk):
    """The values of `function`, as a list, and a call that runs one task; with a call that ends the pool."""
    if which in ("pool", "unordered"):
        pool = mp.get_context("fork").Pool(WORKERS)
        pool.map(square, range(10))
        if which == "pool":
            return (lambda: pool.map(function, inputs, chunk or None)), pool.apply, pool.terminate
        return (lambda: list(pool.imap_unordered(function, inputs, chunk or 1))), pool.apply, pool.terminate
    if which == "mpire":
        from mpire import WorkerPool

        pool = WorkerPool(n_jobs=WORKERS, keep_alive=True)
        pool.map(square, range(10))
        extra = {"chunk_size": chunk} if chunk else {}
        return (lambda: pool.map(function, inputs, **extra)), pool.apply, pool.terminate
    if which == "loky":
        from loky import ProcessPoolExecutor as Executor
    else:
        Executor = ProcessPoolExecutor
    pool = Executor(WORKERS)
    list(pool.map(square, range(10)))
    one = lambda function, args: pool.submit(function, *args).result()
    return (lambda: list(pool.map(function, inputs, chunksize=chunk or 1))), one, pool.shutdown


if __name__ == "__main__":
    if sys.argv[2] in ("loky", "mpire") and importlib.util.find_spec(sys.argv[2]) is None:
        # Not installed.
        sys.exit(77)
    workload, which, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    chunk = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    before = cpu_used()
    if workload == "latency":
        _, one, end_pool = mapped(which, square, [], 0)
        total, latencies = 0, []
        start = time.monotonic_ns()
        for number in range(count):
            begun = time.monotonic_ns()
            total += one(square, (number,))
            latencies.append(time.monotonic_ns() - begun)
        end = time.monotonic_ns()
        wanted = sum(n * n for n in range(count))
    elif workload == "heavy":
        inputs = [100 if n % 10 == 0 else 10 for n in range(count)]
        run, _, end_pool = mapped(which, spin, inputs, chunk)
        start = time.monotonic_ns()
        total = sum(run())
        end = time.monotonic_ns()
        wanted, latencies = sum(inputs), None
    else:
        run, _, end_pool = mapped(which, square, range(count), chunk)
        start = time.monotonic_ns()
        total = sum(run())
        end = time.monotonic_ns()
        wanted, latencies = sum(n * n for n in range(count)), None
    end_pool()
    check("sum", total, wanted)
    report(count, (end - start) / 1e9, cpu_used() - before, latencies)
