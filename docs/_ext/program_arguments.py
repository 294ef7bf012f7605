"""Command lines of the examples that are programs with options."""

from pathlib import Path

OPTIONS = {
    "plot_label_ranking.py": [],
    "plot_robust_regression.py": ["--splits", "1"],  # ten take longer than a page may
}


def program_arguments(gallery_conf, script_vars):
    """Send the figure that the program would leave in its folder to the build's."""
    name = Path(script_vars["src_file"]).name
    if name not in OPTIONS:
        return []
    figure = Path(gallery_conf["src_dir"], "_build", "programs", name)
    return ["--output", str(figure.with_suffix(".png")), *OPTIONS[name]]
