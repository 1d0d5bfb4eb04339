"""The dict and the list of multiprocessing.Manager.

    managers.py dict COUNT get|set
    managers.py clients COUNT CLIENTS
    managers.py many TIMES update|copy
    managers.py list COUNT append|get
"""

import multiprocessing as mp
import sys
import time

from measure import check, cpu_used, report

WARM_UP = 100
KEYS = 1000


def sum_of(count):
    return count * (count - 1) // 2


def sum_of_keys(turns):
    return turns // KEYS * sum_of(KEYS) + sum_of(turns % KEYS)


def filled(manager):
    return manager.dict({key: key for key in range(KEYS)})


def timed(count, turn):
    latencies = []
    for number in range(WARM_UP + count):
        start = time.monotonic_ns()
        turn(number)
        if number >= WARM_UP:
            latencies.append(time.monotonic_ns() - start)
    return latencies


def one_key(context, count, what):
    before = cpu_used()
    total = 0
    with context.Manager() as manager:
        shared = filled(manager)

        def get(number):
            nonlocal total
            total += shared[number % KEYS]

        def put(number):
            shared[number % KEYS] = number

        latencies = timed(count, get if what == "get" else put)
        every = WARM_UP + count
        if what == "get":
            check("sum of what was got", total, sum_of_keys(every))
        else:
            last = {number % KEYS: number for number in range(max(0, every - KEYS), every)}
            wanted = {**{key: key for key in range(KEYS)}, **last}
            check("what is there", shared.copy(), wanted)
    report(count, sum(latencies) / 1e9, cpu_used() - before, latencies)


def client(shared, count, barrier, answers):
    for number in range(WARM_UP):
        shared[number % KEYS]
    barrier.wait()
    start = time.monotonic_ns()
    total = 0
    for number in range(count):
        total += shared[number % KEYS]
    answers.put((total, start, time.monotonic_ns()))


def clients(context, count, number):
    before = cpu_used()
    with context.Manager() as manager:
        shared = filled(manager)
        barrier, answers = context.Barrier(number), context.Queue()
        args = (shared, count // number, barrier, answers)
        processes = [context.Process(target=client, args=args) for _ in range(number)]
        for process in processes:
            process.start()
        got = [answers.get() for _ in processes]
        for process in processes:
            process.join()
    for total, _, _ in got:
        check("sum of what a client got", total, sum_of_keys(count // number))
    seconds = (max(end for _, _, end in got) - min(start for _, start, _ in got)) / 1e9
    report(count // number * number, seconds, cpu_used() - before)


def many(context, times, what):
    before = cpu_used()
    with context.Manager() as manager:
        shared = filled(manager)
        start = time.monotonic_ns()
        for number in range(times):
            if what == "update":
                shared.update({key: key + number for key in range(KEYS)})
            else:
                check("sum of what was got", sum(shared.copy().values()), sum_of(KEYS))
        end = time.monotonic_ns()
        moved = KEYS * (times - 1) if what == "update" else 0
        check("sum of values", sum(shared.values()), sum_of(KEYS) + moved)
    report(times * KEYS, (end - start) / 1e9, cpu_used() - before)


def elements(context, count, what):
    before = cpu_used()
    total = 0
    with context.Manager() as manager:
        shared = manager.list(range(KEYS) if what == "get" else [])

        def get(number):
            nonlocal total
            total += shared[number % KEYS]

        latencies = timed(count, get if what == "get" else shared.append)
        if what == "get":
            check("sum of what was got", total, sum_of_keys(WARM_UP + count))
        else:
            check("sum of elements", sum(shared[:]), sum_of(WARM_UP + count))
    report(count, sum(latencies) / 1e9, cpu_used() - before, latencies)


if __name__ == "__main__":
    context = mp.get_context("fork")
    what, count = sys.argv[1], int(sys.argv[2])
    if what == "dict":
        one_key(context, count, sys.argv[3])
    elif what == "clients":
        clients(context, count, int(sys.argv[3]))
    elif what == "many":
        many(context, count, sys.argv[3])
    elif what == "list":
        elements(context, count, sys.argv[3])
    else:
        raise SystemExit(__doc__)
