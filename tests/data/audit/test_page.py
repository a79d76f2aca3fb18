import base64
import io
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from fgbgnet.data import Manifest
from fgbgnet.data.audit import KINDS, Audit, Correction, Finding
from fgbgnet.data.audit.page import write_page
from fgbgnet.errors import InvalidArgumentError


@pytest.fixture
def folder(quadruples, tmp_path):
    shutil.copytree(quadruples.parent, tmp_path / "data")
    return tmp_path / "data"


class Page(HTMLParser):
    """What a reader gets: headings, pictures with what stands below them, remarks, links."""

    VOID = ("meta", "link", "img")

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.links, self.pictures, self.captions, self.ids = [], [], [], [], [], []
        self.texts = {}
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert not any(name.startswith("on") for name in attrs)
        self.tags.append(tag)
        self.links += [attrs[name] for name in ("src", "href") if name in attrs]
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag == "img":
            self.pictures.append(decoded(attrs["src"]))
            assert attrs["alt"]
        if tag not in self.VOID:
            self.stack.append((tag, attrs.get("class", "")))

    def handle_endtag(self, tag):
        assert self.stack.pop()[0] == tag

    def handle_data(self, data):
        tag, of = self.stack[-1] if self.stack else ("", "")
        self.texts.setdefault(of if of == "problem" else tag, []).append(data)


def decoded(source):
    kind, content = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", source).groups()
    picture = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
    picture.load()
    assert picture.format.lower() == kind
    return picture


def finding(kind, ids):
    return Finding(kind, KINDS[kind].severity, tuple(ids), f"{len(ids)} samples: something")


def parsed(audit, out, **options):
    text = write_page(audit, out, **options).read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(page.ids)
    assert all(max(picture.size) <= 160 for picture in page.pictures)
    assert "prefers-color-scheme: dark" in text
    return page


def test_every_kind_of_finding_is_explained_and_shown(folder, tmp_path):
    table = Manifest.read(folder)
    ids = table.column("id").tolist()
    findings = [finding(kind, [ids[place % 12]]) for place, kind in enumerate(KINDS)]
    page = parsed(Audit(table, 12, findings), tmp_path / "new" / "audit.html")
    assert [text.strip() for text in page.texts["h2"]] == list(KINDS)
    assert [text.strip() for text in page.texts["h3"]] == [f.ids[0] for f in findings]
    words = " ".join(" ".join(texts) for texts in page.texts.values())
    plain = re.sub(r"\s+", " ", words)
    for kind in KINDS.values():
        assert kind.name in page.texts["a"]
        assert kind.meaning.replace("`", "")[:30] in plain
    # bg, fg_bg, mask, difference, depth of each; all rows have depth.
    assert len(page.pictures) == 5 * len(KINDS)
    assert "problem" not in page.texts
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["audit.html"]


def test_what_a_repair_puts_in_place_stands_beside(folder, tmp_path):
    table = Manifest.read(folder)
    corrections = [
        Correction(0, "bg", "bg/bg_3.png", "bg_wrong"),
        Correction(0, "mask", "mask/000.png", "mask_inverted", "invert"),
        Correction(1, "depth_direction", "near_large", "depth_polarity"),
        Correction(2, "depth", "", "depth_margin"),
        Correction(3, "", "", "mask_full"),
    ]
    table = table.with_column("depth_unit", "relative")
    kinds = {"bg_wrong": "s000", "depth_polarity": "s001", "depth_margin": "s002", "mask_full": "s003"}
    page = parsed(Audit(table, 12, [finding(k, [id]) for k, id in kinds.items()], corrections), tmp_path / "a.html")
    captions = [caption.split(" · ")[0] for caption in page.texts["figcaption"]]
    assert captions == [
        *["bg", "fg_bg", "mask", "difference", "depth", "bg: bg_3.png", "difference then"],
        *["bg", "fg_bg", "mask", "difference", "depth", "depth: near_large"],
        *["bg", "fg_bg", "mask", "difference", "depth"] * 2,
    ]
    np.testing.assert_allclose(np.asarray(page.pictures[5]), np.asarray(Image.open(folder / "bg/bg_3.png")), atol=40)
    remarks = [text for text in page.texts["span"] if text not in ("error", "warning", "note")]
    assert remarks == [
        "bg becomes bg_3.png",
        "depth_direction becomes near_large",
        "loses depth",
        "dropped for mask_full",
    ]


def test_no_file_is_too_broken_to_be_shown(folder, tmp_path):
    whole = (folder / "fg_bg/001.png").read_bytes()
    (folder / "bg/bg_0.png").unlink()
    (folder / "fg_bg/001.png").write_bytes(whole[: len(whole) // 2])
    (folder / "mask/002.png").write_bytes(b"")
    (folder / "depth/003.png").write_text("<b>no picture</b>")
    (folder / "fg_bg/004.png").unlink()
    (folder / "fg_bg/004.png").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(folder / "mask/005.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(folder / "depth/005.png")
    for n in range(40):  # bytes that are changed anywhere, headers included
        changed = bytearray(whole)
        changed[n * 3] ^= 0x5A
        (folder / "fg_bg/006.png").write_bytes(changed)
        found = [finding("file_unreadable", ["s006"])]
        parsed(Audit(Manifest.read(folder), 12, found), tmp_path / "a.html")
    ids = [f"s{n:03d}" for n in range(6)]
    corrections = [Correction(1, "fg_bg", "fg_bg/001.png", "file_unreadable", "mirror")]
    page = parsed(Audit(Manifest.read(folder), 12, [finding("file_unreadable", ids)], corrections), tmp_path / "a.html")
    problems = page.texts["problem"]
    for name in ("bg/bg_0.png", "fg_bg/001.png", "mask/002.png", "depth/003.png", "fg_bg/004.png"):
        assert any(name in problem for problem in problems), name
    assert not any(str(folder) in problem for problem in problems)
    # Colours in the place of a mask and of depth are shown as they are.
    assert [caption.split(" · ")[0] for caption in page.texts["figcaption"]][-5:] == [
        *["bg", "fg_bg", "mask", "difference", "depth as stored"]
    ]
    assert len(page.pictures) + len(problems) == len(page.texts["figcaption"])


def test_the_page_is_bounded(folder, tmp_path, monkeypatch):
    table = Manifest.read(folder)
    ids = table.column("id").tolist()
    audit = Audit(table, 12, [finding("mask_grey", ids), finding("mask_off_difference", ids[::-1])])
    page = parsed(audit, tmp_path / "a.html", samples=3)
    assert [text.strip() for text in page.texts["h3"]] == [*ids[:3], *ids[:-4:-1]]
    assert any("worst 3 of 12" in text for text in page.texts["p"])
    assert parsed(audit, tmp_path / "b.html", samples=0).pictures == []
    many = Audit(table, 12, [finding("mask_grey", ids)] * 40)
    assert len(parsed(many, tmp_path / "c.html", samples=12).texts["h3"]) == 40 * (300 // 40)
    monkeypatch.setattr("fgbgnet.data.audit.page._MOST_BYTES", 2)  # room for the first of each finding alone
    assert [text.strip() for text in parsed(audit, tmp_path / "d.html").texts["h3"]] == [ids[0], ids[-1]]


def test_everything_is_escaped(folder, tmp_path):
    bad = '<script>alert("1 & 2")</script>'
    full = Manifest.read(folder).select([0])
    table = full.with_column("id", [bad]).with_column("mask", [f"{bad}.png"])
    found = Finding("file_missing", "error", (bad,), bad)
    corrections = [Correction(0, "bg_id", bad, "file_missing")]
    page = parsed(Audit(table, 1, [found], corrections), tmp_path / "a.html", title=bad)
    assert "".join(" ".join(texts) for texts in page.texts.values()).count(bad) >= 5


def test_nothing_found_is_a_page(folder, tmp_path):
    page = parsed(Audit(Manifest.read(folder), 12), tmp_path / "a.html")
    assert "Clean: 12 of 12 samples. Nothing was found." in page.texts["p"]
    assert "table" not in page.tags


def test_wrong_arguments(folder, tmp_path):
    table = Manifest.read(folder)
    with pytest.raises(InvalidArgumentError, match="samples is -1"):
        write_page(Audit(table, 12), tmp_path / "a.html", samples=-1)
    with pytest.raises(InvalidArgumentError, match="is a folder"):
        write_page(Audit(table, 12), tmp_path)
    with pytest.raises(InvalidArgumentError, match="'nobody', which is not in the audited manifest"):
        write_page(Audit(table, 12, [finding("mask_full", ["nobody"])]), tmp_path / "a.html")
    assert not list(tmp_path.glob("*.html"))
