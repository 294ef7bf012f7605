"""Settings of the documentation, built by ``make docs``."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS

import sksoftrank

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sksoftrank"
author = "The sksoftrank developers"
copyright = author
version = release = sksoftrank.__version__

extensions = [
    "gallery_sections",
    "mathml",
    "myst_parser",
    "name_links",
    "numpydoc",
    "repository_links",
    "source_links",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
default_role = "name"  # `soft_rank` links to its page, as in the docstrings
exclude_patterns = ["_build", "_ext", "_static", "_templates", "inventories"]
templates_path = ["_templates"]
myst_heading_anchors = 3
repository = "https://github.com/sksoftrank/sksoftrank"

html_theme = "pydata_sphinx_theme"
html_title = "sksoftrank"
html_theme_options = {
    "logo": {"text": f"sksoftrank {version}"},
    "github_url": repository,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "auto_examples/index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Named, or the theme's script logs an error at a reader's first page.
html_context = {"default_mode": "auto"}
# Pages without others below or beside them.
alone = ("index", "start", "faq", "architecture", "contributing", "changelog")
html_sidebars = {page: [] for page in alone}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
# Prompts and results are no part of what is copied.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
html_math_renderer = "mathml"

# The build stays offline: see inventories.py.
intersphinx_mapping = {
    "numpy": ("https://numpy.org/doc/stable", "inventories/numpy.txt"),
    "scipy": ("https://docs.scipy.org/doc/scipy", "inventories/scipy.txt"),
    "sklearn": ("https://scikit-learn.org/stable", "inventories/sklearn.txt"),
}

# numpydoc lists what a class has; the templates of autosummary need not.
numpydoc_show_class_members = False
# Of the types those are linked that a reader may not know.
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {word: word for word in DEFAULT_LINKS} | {
    "Jacobian": "sksoftrank.Jacobian",
    "ndarray": "numpy.ndarray",
    "RandomState": "numpy.random.RandomState",
}
autosummary_generate = True
autodoc_default_options = {"members": True}
# The pages of their modules need no frameworks.
autodoc_mock_imports = [name for name in ("jax", "torch") if not find_spec(name)]
# The docstrings say what is allowed in words.
autodoc_typehints = "none"
add_module_names = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sksoftrank",),
    "reference_url": {"sksoftrank": None},
    "download_all_examples": False,
    # A display that a cell returns is its picture, not its address.
    "capture_repr": ("_repr_html_",),
    "show_signature": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "image_scrapers": ("gallery_sections.scrape_figures",),
    "default_thumb_file": str(Path(__file__).parent / "_static" / "favicon.svg"),
    "reset_argv": "program_arguments.program_arguments",
}
gallery_sections = {
    "Regression with wrong rows": [
        "plot_messy_csv",
        "plot_leverage_points",
        "plot_robust_comparison",
        "plot_robust_boosting",
        "plot_epsilon_path",
        "plot_grid_search",
        "plot_robust_regression",
        "plot_larger_than_memory",
    ],
    "Rankings and classes": [
        "plot_label_ranking",
        "plot_partial_rankings",
        "plot_groups",
        "plot_topk_classification",
        "plot_transformers",
    ],
    "The operators": [
        "plot_operators",
        "plot_topk",
        "plot_permutahedron",
        "plot_relaxations",
    ],
    "Losses and training": [
        "plot_spearman_landscape",
        "plot_lts_landscape",
        "plot_training_loop",
        "train_pytorch",
        "train_jax",
        "train_lightgbm",
    ],
}


def escape_names(app, what, name, obj, options, lines):
    """Keep names such as n_features_in_ from being read as those of links."""
    for number, line in enumerate(lines):
        if "``" not in line and ">>> " not in line:
            lines[number] = re.sub(r'(\b\w+)_(?=[",])', r"\1\_", line)


def setup(app):
    """Run before numpydoc reads the docstrings."""
    app.connect("autodoc-process-docstring", escape_names, priority=100)
