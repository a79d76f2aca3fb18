import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fgbgnet.models.encoders.chain import NotAChainError, stages_of


def layer(incoming, outgoing):
    return nn.Sequential(nn.Conv2d(incoming, outgoing, 3, 2, 1), nn.BatchNorm2d(outgoing), nn.Dropout(0.5), nn.ReLU())


class Toy(nn.Module):
    """Three features, and a layer that none of them needs."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third, self.unused = layer(3, 4), layer(4, 6), layer(6, 8), layer(8, 8)
        self.shift = nn.Parameter(torch.rand(1, 6, 1, 1))

    def forward(self, x):
        a = self.first(x)
        b = self.second(a) + self.shift
        c = self.third(b)
        self.unused(c)
        return [x, a, b, c]


class TokensInside(Toy):
    """Goes on with (B, H, W, C), and returns (B, C, H, W)."""

    def forward(self, x):
        a = self.first(x).permute(0, 2, 3, 1)
        b = (self.second(a.permute(0, 3, 1, 2)) + self.shift).permute(0, 2, 3, 1)
        c = self.third(b.permute(0, 3, 1, 2))
        return [a.permute(0, 3, 1, 2).contiguous(), b.permute(0, 3, 1, 2), c]


class TokensOutside(Toy):
    """Returns (B, H, W, C)."""

    def forward(self, x):
        a = self.first(x).permute(0, 2, 3, 1)
        b = self.second(a.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return [a, b, self.third(b.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)]


def outputs(stages, x):
    features = []
    for stage in stages:
        x = stage(x)
        features.append(x)
    return features


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("kind", "places", "channels_last"),
    [(Toy, (1, 2, 3), False), (Toy, (2, 3), False), (TokensInside, (0, 1, 2), False), (TokensOutside, (0, 1, 2), True)],
)
def test_stages_compute_what_the_encoder_computes(kind, places, channels_last, training):
    encoder = kind().train(training)
    stages = stages_of(encoder, places, channels_last)
    assert encoder.training == training
    x = torch.rand(2, 3, 32, 48)
    torch.manual_seed(1)
    expected = encoder(x)
    torch.manual_seed(1)
    for number, feature in enumerate(outputs(stages, x)):
        reference = expected[places[number]]
        assert torch.equal(feature, reference.permute(0, 3, 1, 2) if channels_last else reference)


def test_stages_are_the_encoders_own_modules_without_what_is_not_needed():
    encoder = Toy()
    stages = nn.ModuleList(stages_of(encoder, (1, 2)))
    own = {id(p) for name, p in encoder.named_parameters() if not name.startswith(("third", "unused"))}
    assert {id(p) for p in stages.parameters()} == own


def test_dropout_follows_the_mode_of_the_stages():
    stages = nn.ModuleList(stages_of(Toy(), (1, 2, 3)))
    x = torch.rand(2, 3, 32, 32)
    assert not torch.equal(outputs(stages, x)[-1], outputs(stages, x)[-1])
    stages.eval()
    assert torch.equal(outputs(stages, x)[-1], outputs(stages, x)[-1])


def test_stages_can_be_copied_and_pickled():
    stages = nn.ModuleList(stages_of(Toy(), (1, 2, 3))).eval()
    x = torch.rand(1, 3, 32, 32)
    file = io.BytesIO()
    torch.save(stages, file)
    file.seek(0)
    for other in (copy.deepcopy(stages), torch.load(file, weights_only=False)):
        assert torch.equal(outputs(other, x)[-1], outputs(stages, x)[-1])
        assert not {id(p) for p in other.parameters()} & {id(p) for p in stages.parameters()}


class RunsSlices(Toy):
    """Calls containers that are none of its sub-modules, of layers that are."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(self.first, self.second, self.third)

    def forward(self, x):
        a = self.layers[:2](x)
        return [a, self.layers[2:](a)]


def test_slices_of_containers_are_looked_into():
    encoder = RunsSlices().eval()
    x = torch.rand(1, 3, 32, 32)
    for feature, reference in zip(outputs(stages_of(encoder, (0, 1)), x), encoder(x), strict=True):
        assert torch.equal(feature, reference)


class CallsOther(Toy):
    """As if another thread ran a model of its own while this one is recorded."""

    def __init__(self):
        super().__init__()
        self.results = []
        self.other = [nn.Linear(2, 2)]

    def forward(self, x):
        self.results.append(self.other[0](torch.ones(1, 2)))
        a = self.first(x)
        return [a, self.second(a)]


def test_other_models_run_as_always_while_one_is_recorded():
    encoder = CallsOther()
    stages_of(encoder, (0, 1))
    expected = encoder.other[0](torch.ones(1, 2))
    assert all(torch.equal(result, expected) for result in encoder.results)


class ReadsBack(Toy):
    def forward(self, x):
        a = self.first(x)
        b = self.second(a)
        return [a, b, self.third(b) + F.avg_pool2d(a.mean(1, keepdim=True), 4)]


class Parallel(Toy):
    def forward(self, x):
        return [self.first(x), F.avg_pool2d(x, 4)]


class AsksForSizes(Toy):
    def forward(self, x):
        a = self.first(x)
        return [a, self.second(a if x.shape[-1] > 32 else a[..., ::2])]


class OtherInTraining(Toy):
    def forward(self, x):
        a = self.first(x)
        return [a, self.second(a * 2 if self.training else a)]


class FunctionalDropout(Toy):
    def forward(self, x):
        a = self.first(x)
        return [a, self.second(F.dropout(a, 0.5, self.training))]


class Repeats(Toy):
    def __init__(self):
        super().__init__()
        self.again = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.BatchNorm2d(3))

    def forward(self, x):
        a = self.again(x)
        return [a, self.again(a)]


class ReturnsOne(Toy):
    def forward(self, x):
        return self.first(x)


@pytest.mark.parametrize(
    ("kind", "places", "words"),
    [
        (ReadsBack, (0, 1, 2), "more than the feature before"),
        (Parallel, (0, 1), "feature 2 is not made from feature 1"),
        (AsksForSizes, (0, 1), "more than to call its modules"),
        (OtherInTraining, (0, 1), "between training and evaluation"),
        (FunctionalDropout, (0, 1), "between training and evaluation"),
        (Repeats, (0, 1), "share a parameter"),
        (ReturnsOne, (0,), "not a list"),
    ],
)
def test_what_is_no_chain_says_why(kind, places, words):
    encoder = kind()
    with pytest.raises(NotAChainError, match=words):
        stages_of(encoder, places)
    assert encoder.training
