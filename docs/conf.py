"""Settings of the documentation, built by ``make docs``."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import sksoftrank

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sksoftrank"
author = "The sksoftrank developers"
copyright = author
version = release = sksoftrank.__version__

extensions = [
    "mathml",
    "myst_parser",
    "name_links",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
default_role = "name"  # `soft_rank` links to its page, as in the docstrings
exclude_patterns = ["_build", "_ext", "_static", "_templates", "sg_execution_times.rst"]
templates_path = ["_templates"]
myst_heading_anchors = 3
# Pages of the repository that are included here link to its files.
suppress_warnings = ["myst.xref_missing"]

html_theme = "pydata_sphinx_theme"
html_title = "sksoftrank"
html_theme_options = {
    "logo": {"text": f"sksoftrank {version}"},
    "github_url": "https://github.com/sksoftrank/sksoftrank",
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "start": [], "faq": [], "changelog": []}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
# Prompts and results are no part of what is copied.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
html_math_renderer = "mathml"

# numpydoc lists what a class has; the templates of autosummary need not.
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autosummary_generate = True
autodoc_default_options = {"members": True}
# The pages of their modules need no frameworks.
autodoc_mock_imports = [name for name in ("jax", "torch") if not find_spec(name)]
add_module_names = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sksoftrank",),
    "reference_url": {"sksoftrank": None},
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "reset_argv": "program_arguments.program_arguments",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_operators.py",
            "plot_permutahedron.py",
            "plot_spearman_landscape.py",
            "plot_lts_landscape.py",
            "plot_relaxations.py",
            "plot_topk.py",
            "plot_training_loop.py",
            "plot_robust_comparison.py",
            "plot_leverage_points.py",
            "plot_epsilon_path.py",
            "plot_grid_search.py",
            "plot_robust_boosting.py",
            "plot_robust_regression.py",
            "plot_partial_rankings.py",
            "plot_label_ranking.py",
            "plot_topk_classification.py",
            "plot_transformers.py",
            "*",
        ]
    ),
}


def escape_names(app, what, name, obj, options, lines):
    """Keep names such as n_features_in_ from being read as those of links."""
    for number, line in enumerate(lines):
        if "``" not in line and ">>> " not in line:
            lines[number] = re.sub(r'(\b\w+)_(?=[",])', r"\1\_", line)


def setup(app):
    """Run before numpydoc reads the docstrings."""
    app.connect("autodoc-process-docstring", escape_names, priority=100)
