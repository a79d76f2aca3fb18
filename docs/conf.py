"""Sphinx configuration: builds offline, warnings are errors, and the examples run in their short mode."""

import logging
import os
import sys
from importlib import import_module
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

os.environ["FGBGNET_SHORT"] = "1"
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars are for terminals

import tables  # noqa: E402

import fgbgnet  # noqa: E402

project = "fgbgnet"
author = "The fgbgnet developers"
copyright = author  # noqa: A001 - Sphinx's name
release = version = fgbgnet.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "results", "sg_execution_times.rst"]
default_role = "py:obj"
nitpicky = False

autosummary_generate = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
python_display_short_literal_types = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"fgbgnet {release}"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_nav_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"install": [], "quickstart": [], "cli": [], "benchmarks": []}
html_show_sourcelink = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "ignore_pattern": r"benchmarks|__init__",
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "image_scrapers": ("scraper.result_scraper",),
    "ignore_repr_types": r"matplotlib|PIL\.",
    "reset_modules": (),
    "min_reported_time": 10**6,
    "write_computation_times": False,
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "plot_gallery": True,
}

ROOMS = (
    "data",
    "synth",
    "models",
    "losses",
    "metrics",
    "training",
    "evaluation",
    "inference",
    "prediction",
    "plotting",
)
PAGE_OF = {name: f"fgbgnet.{room}.{name}" for room in ROOMS for name in import_module(f"fgbgnet.{room}").__all__} | {
    name: f"fgbgnet.errors.{name}" for name in import_module("fgbgnet.errors").__all__
}


def link_public_names(app, env, node, contnode):
    """Links ``DualHeadUNet`` and ``fgbgnet.DualHeadUNet`` to the room where the object is documented."""
    if node.get("refdomain") != "py":
        return None
    name, _, member = node["reftarget"].removeprefix("fgbgnet.").partition(".")
    if name in ROOMS:
        name, _, member = member.partition(".")
    if name not in PAGE_OF:
        return None
    target = ".".join(part for part in (PAGE_OF[name], member) if part)
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def setup(app):
    """Hooks of this project."""
    logging.getLogger("lightning").setLevel(logging.ERROR)
    app.connect("missing-reference", link_public_names)
    app.connect("source-read", tables.insert)
