import torch
from hypothesis import given, strategies as st

from fgbgnet.evaluation.partners import WithPartners, partner_indices


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_partners_are_the_next_of_another_background(names):
    count = len(names)
    for index, partner in enumerate(partner_indices(count, names)):
        after = [(index + step) % count for step in range(1, count + 1)]
        other = [j for j in after if names[j] != names[index]]
        assert partner == (other or after)[0]


def sample(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(3, height, width, generator=generator)
    return {"bg": picture, "fg_bg": 1 - picture, "mask": (picture[:1] > 0.5).float(), "id": str(seed)}


def test_partners_come_in_the_size_of_the_sample():
    data = WithPartners([sample(20, 30, 0), sample(10, 12, 1)], [1, 0])
    assert len(data) == 2
    first, partner = data[0]
    assert first["id"] == "0"
    assert partner["bg"].shape == partner["fg_bg"].shape == (3, 20, 30)
    assert set(partner["mask"].unique().tolist()) == {0, 1}
    assert partner["mask"].shape == (1, 20, 30)
    assert abs(partner["bg"].mean() - data.dataset[1]["bg"].mean()) < 0.02


def test_a_lone_sample_is_its_own_partner_mirrored():
    lone, partner = WithPartners([sample(8, 9, 3)], partner_indices(1))[0]
    for key in ("bg", "fg_bg", "mask"):
        assert torch.equal(partner[key], lone[key].flip(-1))
