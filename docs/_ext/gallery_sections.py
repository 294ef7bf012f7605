"""The index of the gallery in sections, a card with a sentence for each script.

Sphinx-Gallery has sections for folders of scripts only, and takes a whole figure for a
thumbnail. Of a figure of several panels the card shows the first.
"""

import ast
import re
from pathlib import Path

from sphinx.errors import ExtensionError
from sphinx_gallery.scrapers import matplotlib_scraper
from sphinx_gallery.utils import scale_image

CARD = """
   .. grid-item-card:: {title}
      :link: {name}
      :link-type: doc
{image}
      {sentence}
"""
# The end of a sentence; "et al." does not end one.
END = re.compile(r"(?<!et al)\.(?=\s|$)")


def scrape_figures(block, block_vars, gallery_conf):
    """Keep the first panel beside each figure, and do as Sphinx-Gallery does."""
    from matplotlib import pyplot as plt

    first = len(block_vars["image_path_iterator"]) + 1
    for number, key in enumerate(plt.get_fignums(), first):
        figure = plt.figure(key)
        if len(figure.axes) > 1:
            path = Path(block_vars["image_path_iterator"].image_path.format(number))
            path = path.parent / "panels" / path.name
            path.parent.mkdir(exist_ok=True)
            figure.draw_without_rendering()
            box = figure.axes[0].get_tightbbox().padded(4)
            box = box.transformed(figure.dpi_scale_trans.inverted())
            figure.savefig(path, bbox_inches=box)
    return matplotlib_scraper(block, block_vars, gallery_conf)


def read_heading(path):
    """The title of a script and the first sentence of its introduction."""
    lines = ast.get_docstring(ast.parse(path.read_text())).strip("=\n").split("\n")
    paragraphs = "\n".join(lines[1:]).strip("=\n").split("\n\n")
    text = " ".join(paragraphs[0].split())
    return lines[0], text[: END.search(text).start()] + "."


def write_index(app):
    """Replace the index that Sphinx-Gallery has just written, and thumbnails."""
    examples = Path(app.srcdir, app.config.sphinx_gallery_conf["examples_dirs"])
    folder = Path(app.srcdir, app.config.sphinx_gallery_conf["gallery_dirs"])
    size = app.config.sphinx_gallery_conf["thumbnail_size"]
    sections = app.config.gallery_sections
    listed = sorted(name for names in sections.values() for name in names)
    if listed != sorted(path.stem for path in examples.glob("*.py")):
        raise ExtensionError("gallery_sections of conf.py must list each example once")

    text = [".. _sphx_glr_auto_examples:\n", (examples / "README.rst").read_text()]
    for section, names in sections.items():
        text.append(f"{section}\n{'-' * len(section)}\n")
        text.append(".. grid:: 1 2 2 3\n   :gutter: 3\n   :class-container: gallery\n")
        for name in names:
            title, sentence = read_heading(examples / f"{name}.py")
            script = (examples / f"{name}.py").read_text()
            number = re.search(r"gallery_thumbnail_number = (\d+)", script)
            number = int(number[1]) if number else 1
            panel = folder / "images" / "panels" / f"sphx_glr_{name}_{number:03d}.png"
            thumbnail = folder / "images" / "thumb" / f"sphx_glr_{name}_thumb.png"
            if panel.is_file():
                scale_image(panel, thumbnail, *size)
            image = f"      :img-top: images/thumb/{thumbnail.name}\n"
            image += f"      :img-alt: A figure of {name}.py\n"
            # What needs a framework is not run, and has no figure.
            image = image if name.startswith("plot_") else ""
            text.append(
                CARD.format(title=title, name=name, image=image, sentence=sentence)
            )
        entries = "".join(f"   {name}\n" for name in names)
        text.append(f".. toctree::\n   :hidden:\n   :caption: {section}\n\n{entries}")
    (folder / "index.rst").write_text("\n".join(text))


def setup(app):
    """Run after Sphinx-Gallery."""
    app.add_config_value("gallery_sections", {}, "env", dict)
    app.connect("builder-inited", write_index, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
