"""multiprocessing.Process, started and joined one at a time: spawns.py fork|forkserver|spawn COUNT"""

import multiprocessing as mp
import sys
import time

from measure import check, cpu_used, report


def child(number, answers):
    answers.send(number)


if __name__ == "__main__":
    context, count = mp.get_context(sys.argv[1]), int(sys.argv[2])
    before, total = cpu_used(), 0
    start = time.monotonic_ns()
    for number in range(count):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=child, args=(number, there))
        process.start()
        total += here.recv()
        process.join()
    end = time.monotonic_ns()
    check("sum", total, count * (count - 1) // 2)
    report(count, (end - start) / 1e9, cpu_used() - before)
