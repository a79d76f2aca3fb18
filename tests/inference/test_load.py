import pytest

from fgbgnet.errors import InvalidArgumentError, MissingFileError, UnknownNameError
from fgbgnet.inference import load_model
from fgbgnet.models import DualHeadUNet, PredictMixin, list_models


def test_folders_and_run_folders(tmp_path):
    DualHeadUNet("unet_small", input_size=32).save_pretrained(tmp_path / "run" / "model")
    for folder in (tmp_path / "run", tmp_path / "run" / "model", str(tmp_path / "run")):
        model = load_model(folder)
        assert isinstance(model, DualHeadUNet)
        assert not model.training


def test_floors_by_name():
    for name in ("difference", "compensated_difference"):
        assert isinstance(load_model(name), PredictMixin)


def test_architectures_are_no_trained_models():
    for card in list_models():
        with pytest.raises(InvalidArgumentError, match="train it first"):
            load_model(card.name)


def test_what_is_not_there(tmp_path):
    with pytest.raises(UnknownNameError, match="'difference'"):
        load_model("diference")
    with pytest.raises(MissingFileError, match="no model folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match="holds no model"):
        load_model(tmp_path)
