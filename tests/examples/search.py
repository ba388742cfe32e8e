"""tests/examples/search.py — a search of one's own, in twenty lines: python3 search.py ["OP"] [STEPS]

Hill climbing: from the best schedule so far to a neighbour that differs in one key, kept where its interval is above the best's."""
import random
import sys

import quern


def keys(schedule):
    return dict(pair.split("=", 1) for pair in schedule.split())


def main(op="softmax x=64x1000", steps=6):
    space, rng = quern.space(op), random.Random(1)
    best = space[0]
    for _ in range(steps):
        near = sorted(space, key=lambda each: (sum(keys(each)[k] != v for k, v in keys(best).items()), rng.random()))
        tried = quern.measure(op, [best, near[1]], threads=1)[1]
        better = tried.get("low", 0) > 1
        print(f"{tried['schedule']}: {tried.get('ratio', 0):.3f}x ({tried.get('low', 0):.3f} to {tried.get('high', 0):.3f}){' kept' if better else ''}")
        space.remove(near[1])
        best = near[1] if better else best
    print("best:", best)


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
