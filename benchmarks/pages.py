"""Numbers and tables as the pages of benchmarks have them."""

import numpy as np


def plain(value):
    """Three digits, and no powers of ten."""
    return f"{value:.3g}" if value < 999.5 else f"{float(f'{value:.3g}'):,.0f}"


def duration(nanoseconds):
    value = float(np.median(nanoseconds))
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if value >= size:
            return f"{plain(value / size)} {unit}"
    return f"{plain(value / 1e3)} us"


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
