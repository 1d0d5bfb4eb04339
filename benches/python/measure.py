"""What the scripts beside this one share: the clock, the CPU time, and the one line they print."""

import json
import resource


def cpu_used():
    """CPU time of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def report(operations, seconds, cpu_seconds, latencies=None):
    """Prints the figures; `latencies` are nanoseconds."""
    found = {"operations": operations, "seconds": seconds, "cpu_seconds": cpu_seconds}
    if latencies:
        ordered = sorted(latencies)
        found["p50_us"] = ordered[len(ordered) // 2] / 1e3
        found["p99_us"] = ordered[len(ordered) * 99 // 100] / 1e3
    print(json.dumps(found))


def check(what, got, wanted):
    """Ends the script with an error unless what arrived is what was sent."""
    if got != wanted:
        raise SystemExit(f"{what} is {got} instead of {wanted}")
