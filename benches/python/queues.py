"""multiprocessing.Queue and Pipe.

    queues.py oneway COUNT MAXSIZE [struct|1k]
    queues.py roundtrip COUNT WAYS
    queues.py pipe COUNT
    queues.py pipeway COUNT int|1k|1m
    queues.py event COUNT
"""

import multiprocessing as mp
import sys
import time

from measure import check, cpu_used, report

WARM_UP = 100


def item(kind, number):
    if kind == "struct":
        return (number, "a label", float(number))
    if kind == "1k":
        return number.to_bytes(8, "little") + b"\x07" * 1016
    return number


def number_of(kind, got):
    if kind == "struct":
        return got[0]
    if kind == "1k":
        return int.from_bytes(got[:8], "little")
    return got


def produce(queue, count, kind, started):
    started.send(time.monotonic_ns())
    for number in range(count):
        queue.put(item(kind, number))


def oneway(context, count, maxsize, kind):
    queue = context.Queue(maxsize)
    here, there = context.Pipe(duplex=False)
    before = cpu_used()
    producer = context.Process(target=produce, args=(queue, count, kind, there))
    producer.start()
    total = 0
    for _ in range(count):
        total += number_of(kind, queue.get())
    end = time.monotonic_ns()
    producer.join()
    check("sum", total, count * (count - 1) // 2)
    report(count, (end - here.recv()) / 1e9, cpu_used() - before)


def echo_queue(asked, answers):
    while (question := asked.get()) is not None:
        answers.put(question)


def echo_pipe(end):
    while (question := end.recv()) is not None:
        end.send(question)


def trips(count, ways, ask, answer):
    latencies, total = [], 0
    for number in range(WARM_UP + count):
        start = time.monotonic_ns()
        ask(number)
        total += answer()
        if number >= WARM_UP:
            latencies.append((time.monotonic_ns() - start) // ways)
    ask(None)
    every = WARM_UP + count
    check("sum of the answers", total, every * (every - 1) // 2)
    return latencies


def roundtrip(context, count, ways):
    asked, answers = context.Queue(), context.Queue()
    before = cpu_used()
    other = context.Process(target=echo_queue, args=(asked, answers))
    other.start()
    latencies = trips(count, ways, asked.put, answers.get)
    other.join()
    report(count * ways, sum(latencies) * ways / 1e9, cpu_used() - before, latencies)


def pipe(context, count):
    here, there = context.Pipe()
    before = cpu_used()
    other = context.Process(target=echo_pipe, args=(there,))
    other.start()
    latencies = trips(count, 1, here.send, here.recv)
    other.join()
    report(count, sum(latencies) / 1e9, cpu_used() - before, latencies)


def send_all(end, count, kind, started):
    started.send(time.monotonic_ns())
    block = bytearray(b"\x07" * (1 << 20))
    for number in range(count):
        if kind == "1m":
            block[:8] = number.to_bytes(8, "little")
            end.send_bytes(block)
        else:
            end.send(item(kind, number))


def pipeway(context, count, kind):
    receiver, sender = context.Pipe(duplex=False)
    here, there = context.Pipe(duplex=False)
    before = cpu_used()
    other = context.Process(target=send_all, args=(sender, count, kind, there))
    other.start()
    total = 0
    for _ in range(count):
        if kind == "1m":
            total += int.from_bytes(receiver.recv_bytes()[:8], "little")
        else:
            total += number_of(kind, receiver.recv())
    end = time.monotonic_ns()
    other.join()
    check("sum", total, count * (count - 1) // 2)
    report(count, (end - here.recv()) / 1e9, cpu_used() - before)


def answer_events(there, back, count):
    for _ in range(count):
        there.wait()
        there.clear()
        back.set()


def event(context, count):
    there, back = context.Event(), context.Event()
    before = cpu_used()
    other = context.Process(target=answer_events, args=(there, back, WARM_UP + count))
    other.start()
    latencies = []
    for number in range(WARM_UP + count):
        start = time.monotonic_ns()
        there.set()
        back.wait()
        back.clear()
        if number >= WARM_UP:
            latencies.append((time.monotonic_ns() - start) // 2)
    other.join()
    check("whether all were seen", there.is_set(), False)
    report(count * 2, sum(latencies) * 2 / 1e9, cpu_used() - before, latencies)


if __name__ == "__main__":
    context = mp.get_context("fork")
    what, count = sys.argv[1], int(sys.argv[2])
    if what == "oneway":
        oneway(context, count, int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "int")
    elif what == "roundtrip":
        roundtrip(context, count, int(sys.argv[3]))
    elif what == "pipe":
        pipe(context, count)
    elif what == "pipeway":
        pipeway(context, count, sys.argv[3])
    elif what == "event":
        event(context, count)
    else:
        raise SystemExit(__doc__)
