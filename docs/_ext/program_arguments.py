"""Command lines of the examples that are programs with options."""

import os
from pathlib import Path

PROGRAMS = ("plot_label_ranking.py", "plot_robust_regression.py")


def program_arguments(gallery_conf, script_vars):
    """Send the figure that the program would leave in its folder to the build's."""
    script = Path(script_vars["src_file"])
    if script.name not in PROGRAMS:
        return []
    figure = Path(gallery_conf["src_dir"], "_build", "programs", f"{script.stem}.png")
    return ["--output", os.path.relpath(figure, script.parent)]
