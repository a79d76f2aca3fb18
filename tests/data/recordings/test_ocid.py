import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fgbgnet.data import PairedFgBgDataset
from fgbgnet.data.recordings import index_ocid
from fgbgnet.errors import FgBgWarning, ManifestError, MaskError, MissingFileError
from tests.data.recordings import miniature
from tests.data.recordings.miniature import COLUMNS, box


@pytest.fixture
def root(tmp_path):
    return miniature.ocid(tmp_path / "OCID-dataset")


def test_the_frame_before_is_the_background(root, tmp_path):
    manifest = index_ocid(root, tmp_path / "out", progress=False)
    first, second = "ARID20/floor/top/seq01", "YCB10/table/bottom/mixed/seq02"
    assert manifest.column("id").tolist() == [
        f"{first}/result_2", f"{first}/result_9", f"{first}/result_10", f"{second}/result_10",
    ]  # fmt: skip
    assert [path.rsplit("/", 1)[1] for path in manifest.column("bg").tolist()] == [
        "result_1.png", "result_2.png", "result_9.png", "result_1.png",
    ]  # fmt: skip
    assert manifest.column("bg_id").tolist() == ["ARID20/floor/seq01"] * 3 + ["YCB10/table/mixed/seq02"]
    samples = list(PairedFgBgDataset(manifest))
    new = [box(8), np.zeros_like(box(0)), box(12), box(8) | box(12)]
    for number, (sample, mask) in enumerate(zip(samples, new, strict=True)):
        np.testing.assert_array_equal(sample["mask"][0].numpy(), mask)
        assert "mask_valid" not in sample
        millimetres = 1000 + 100 * COLUMNS + (number + 1 if number < 3 else 1)
        np.testing.assert_allclose(sample["depth"][0][2:], millimetres[2:] / 1000, rtol=1e-6)
        assert not sample["depth_valid"][0, :2, :3].any()
    assert PairedFgBgDataset(manifest).depth_unit == "metres"


@pytest.mark.parametrize("place", ["ARID20", "ARID20/floor/top/seq01"])
def test_a_part_alone_has_the_same_ids(root, tmp_path, place):
    manifest = index_ocid(root / place, tmp_path / "out", progress=False)
    assert manifest.column("id")[0] == "ARID20/floor/top/seq01/result_2"
    assert len(manifest) == 3


def test_parts_by_name(root, tmp_path):
    assert len(index_ocid(root, tmp_path / "out", only=["YCB10"], progress=False)) == 1


def test_a_sequence_of_one_frame_is_left_out(root, tmp_path):
    for folder in ("rgb", "label", "depth"):
        (root / "YCB10/table/bottom/mixed/seq02" / folder / "result_10.png").unlink()
    with pytest.warns(FgBgWarning, match="seq02: 1 frames; a sample needs the frame before it"):
        assert len(index_ocid(root, tmp_path / "out", progress=False)) == 3
    told = json.loads((tmp_path / "out" / "recordings.json").read_text())["recordings"]
    assert [entry["samples"] for entry in told] == [3, 0]


def test_16_bit_labels(root, tmp_path):
    folder = root / "ARID20/floor/top/seq01/label"
    for path in folder.iterdir():
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 300).save(path)
    manifest = index_ocid(root, tmp_path / "out", only=["ARID20"], progress=False)
    np.testing.assert_array_equal(PairedFgBgDataset(manifest)[2]["mask"][0].numpy(), box(12))


def test_wrong_input(root, tmp_path):
    with pytest.raises(MissingFileError, match=r"expected .*seq01/.rgb,depth,label./result_\*\.png"):
        index_ocid(root / "ARID20/floor/top/seq01/rgb", tmp_path / "out", progress=False)
    sequence = root / "ARID20/floor/top/seq01"
    Image.fromarray(miniature.scene(1)).save(sequence / "label/result_9.png")
    with pytest.raises(MaskError, match=r"result_9\.png is of mode RGB; expected instance labels"):
        index_ocid(root, tmp_path / "out", progress=False)
    (sequence / "label/result_9.png").unlink()
    with pytest.raises(ManifestError, match=r"result_9\.png is not in both rgb and label"):
        index_ocid(root, tmp_path / "out", progress=False)


def test_two_sequences_of_one_name(root, tmp_path):
    shutil.copytree(root, tmp_path / "both" / "copy")
    root.rename(tmp_path / "both" / "original")
    with pytest.raises(ManifestError, match=r"called ARID20/floor/top/seq01: .*copy.* and .*original"):
        index_ocid(tmp_path / "both", tmp_path / "out", progress=False)
