"""The main job, reading and parsing and counting fused, in two processes: words.py FILE"""

import collections
import multiprocessing as mp
import os
import re
import sys

CHUNK_BYTES = 1 << 20
WORKERS = 2


def count(path, start, end):
    """Counts the words of a part that begins and ends where no word is cut."""
    counts, rest = collections.Counter(), b""
    with open(path, "rb") as file:
        file.seek(start)
        while start < end:
            chunk = rest + file.read(min(CHUNK_BYTES, end - start))
            start = file.tell()
            cut = len(chunk)
            if start < end:
                while cut and chunk[cut - 1 : cut].isalpha():
                    cut -= 1
            rest = chunk[cut:]
            counts.update(re.findall(rb"[a-z]+", chunk[:cut].lower()))
    return counts


def line_after(path, place):
    with open(path, "rb") as file:
        file.seek(place)
        file.readline()
        return file.tell()


if __name__ == "__main__":
    path = sys.argv[1]
    size = os.path.getsize(path)
    cuts = [0] + [line_after(path, size * part // WORKERS) for part in range(1, WORKERS)] + [size]
    with mp.get_context("fork").Pool(WORKERS) as pool:
        parts = pool.starmap(count, [(path, *pair) for pair in zip(cuts, cuts[1:])])
    total = sum(parts, collections.Counter())
    for word, number in sorted(total.items(), key=lambda pair: (-pair[1], pair[0])):
        sys.stdout.write(f"{number}\t{word.decode()}\n")
