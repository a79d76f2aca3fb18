"""HTML pages that need nothing else: one look, light and dark, readable on a phone."""

import base64
import html
import io
from collections.abc import Iterable
from typing import Literal

from PIL import Image

_STYLE = """
:root { color-scheme: light dark; --page: #fdfdfc; --ink: #1d1f21; --soft: #5c6268; --line: #d8dadd; --panel: #f2f3f4;
  --mark: #d9efe3; --accent: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --page: #16181a; --ink: #e8e8e6; --soft: #a4a9ae; --line: #3a3e42;
  --panel: #202326; --mark: #1d4635; --accent: #5fd0a5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.2rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p, ul { margin: .3rem 0 .7rem; max-width: 50rem; }
.note, figcaption, dt { color: var(--soft); font-size: .9rem; }
.summary { background: var(--panel); border-left: 4px solid var(--accent); padding: .6rem 1rem; max-width: none; }
.summary ul { padding-left: 1.1rem; margin: 0; max-width: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .32rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
thead th { vertical-align: bottom; color: var(--soft); font-weight: 600; min-width: 5.2rem; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); font-weight: 400;
  min-width: 8.5rem; max-width: 19rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dd { margin: 0; }
figure { margin: .8rem 0 1.2rem; }
figure img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--panel); padding: .7rem; overflow-x: auto; font-size: .8rem; border-radius: 6px; }
@media (max-width: 40rem) { .wide img { max-width: none; width: 62rem; } dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; } th:first-child { max-width: 9.5rem; font-size: .82rem; } }
"""


def html_page(title: str, sections: Iterable[str], style: str = "") -> str:
    """A whole page around its sections; nothing is fetched, there is no script.

    Args:
        title: Plain text for the tab of the browser.
        sections: HTML; empty ones are left out.
        style: More CSS. It may use the colours ``--page``, ``--ink``, ``--soft``, ``--line``, ``--panel``, ``--mark``
            and ``--accent``, which follow the reader's light or dark mode.

    >>> "<title>1 &lt; 2</title>" in html_page("1 < 2", ["<h1>Figures</h1>"])
    True
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An empty icon: browsers ask the server for one otherwise.
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title><style>{_STYLE}{style}</style></head>\n'
        "<body>\n" + "\n".join(section for section in sections if section) + "\n</body></html>\n"
    )


def data_uri(picture: Image.Image, kind: Literal["png", "jpeg"] = "png") -> str:
    """A picture as the ``src`` of an ``<img>``: PNG without loss, or JPEG of quality 85.

    >>> data_uri(Image.new("L", (2, 2)))[:22]
    'data:image/png;base64,'
    """
    buffer = io.BytesIO()
    options = {"quality": 85, "subsampling": 0} if kind == "jpeg" else {}
    picture.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


__all__ = ["data_uri", "html_page"]
