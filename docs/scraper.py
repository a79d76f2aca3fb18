"""Pictures of the gallery: what the last line of a block returns."""

from pathlib import Path

from sphinx_gallery.scrapers import figure_rst


def result_scraper(block, block_vars, gallery_conf):
    """Saves the block's last value if it is a matplotlib figure or a Pillow picture.

    The library's plot functions return figures of their own, not of pyplot, so that they can be called anywhere; the
    scraper of sphinx-gallery knows those of pyplot only.
    """
    result = block_vars["example_globals"].get("___")
    if hasattr(result, "savefig"):
        save = {"dpi": 130}
        writer = result.savefig
    elif hasattr(result, "getbands"):
        save = {}
        writer = result.save
    else:
        return ""
    path = next(block_vars["image_path_iterator"])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    writer(path, **save)
    block_vars["example_globals"]["___"] = None
    return figure_rst([path], gallery_conf["src_dir"])
