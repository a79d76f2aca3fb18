import fnmatch

import pytest

from fgbgnet.models import build_encoder, count_parameters, list_encoders
from fgbgnet.models.encoders import StagedEncoder, catalogue, near_splittable
from fgbgnet.models.encoders.catalogue import EncoderInfo


def names(*arguments, **filters):
    return [encoder.name for encoder in list_encoders(*arguments, **filters)]


def test_all_three_sources_and_no_flat_transformer():
    everything = names()
    assert {"unet", "resnet34", "tu-convnext_atto"} <= set(everything)
    assert len(everything) == len(set(everything))
    assert not fnmatch.filter(everything, "tu-vit_tiny*")
    assert names("no such*") == []


def test_a_pattern_without_prefix_finds_timms_where_no_other_is():
    assert names("convnext_att*") == names("tu-convnext_att*") != []
    assert "tu-resnet18" not in names("resnet18*")


@pytest.mark.parametrize("name", ["unet_small", "resnet18", "vgg11", "tu-lcnet_050", "tu-efficientvit_m0", "dpn68"])
def test_the_table_says_what_the_built_encoder_is(name):
    (info,) = list_encoders(name)
    encoder = build_encoder(name, 3)
    assert info.parameters == count_parameters(encoder)
    assert info.strides == encoder.strides
    assert info.splittable == isinstance(encoder, StagedEncoder)


def test_filters_by_weights():
    with_any, without = names(pretrained=True), names(pretrained=False)
    assert sorted(with_any + without) == sorted(names())
    assert "unet" in without
    assert names("resnet18", pretrained="ssl") == ["resnet18"]
    assert names("resnet34", pretrained="ssl") == []
    assert "tu-convnext_tiny" in names("tu-convnext*", pretrained="fb_in1k")


def test_filters_by_licence():
    free = set(names(license=["apache*", "MIT"]))
    assert "tu-convnext_tiny" in free
    assert not free & {"mit_b0", "resnet18", "unet"}  # another licence, none named, no weights
    assert set(names(license="apache*")) | set(names(license="mit")) == free
    assert "mit_b0" in names(license="nvidia*")
    assert not [e for e in list_encoders(license="*") if set(e.licenses) <= {None}]
    assert names("tu-convnextv2_tiny", pretrained="fcmae", license="apache*") == []  # cc-by-nc-4.0
    assert names("tu-convnextv2_tiny", pretrained="fcmae", license="cc-by-nc*") == ["tu-convnextv2_tiny"]


def test_filters_by_splitting():
    split, whole = set(names(splittable=True)), set(names(splittable=False))
    assert not split & whole
    assert {"resnet18", "unet", "tu-swin_tiny_patch4_window7_224"} <= split
    assert {"dpn68", "tu-hrnet_w18"} <= whole


def test_one_readable_line():
    info = EncoderInfo("x", "timm", "y", ("a", "b"), ("mit", None), 1_234_567, (4, 8), True)
    assert str(info).split() == ["x", "1.23", "M", "strides", "4,8", "splittable", "a", "(mit),", "b"]


def test_a_name_that_is_newer_than_the_table_is_listed_without_facts(monkeypatch):
    rows = {name: row for name, row in catalogue._table().items() if name != "resnet18"}
    monkeypatch.setattr(catalogue, "_table", lambda: rows)
    catalogue.encoder_info.cache_clear()
    try:
        (info,) = list_encoders("resnet18")
    finally:
        catalogue.encoder_info.cache_clear()
    assert (info.parameters, info.strides, info.splittable) == (None, None, None)
    assert info.pretrained[0] == "imagenet"
    assert "unknown" in str(info)


def test_near_alternatives_are_relatives_or_of_the_size():
    relatives = near_splittable("tu-levit_128s")
    assert all(name.startswith("tu-levit_conv") for name in relatives)
    (hrnet,) = list_encoders("tu-hrnet_w18")
    others = [list_encoders(name)[0] for name in near_splittable("tu-hrnet_w18")]
    assert len(others) == 3
    assert all(0.8 < other.parameters / hrnet.parameters < 1.25 for other in others)
