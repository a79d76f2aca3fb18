import io

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from scipy.fft import dctn

from fgbgnet.data import picture_hash, same_picture, similar_pictures, thumbnail
from fgbgnet.data.groups import connected
from fgbgnet.data.similar import hash_thumbnails
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import SceneGenerator

SCENES = 80
INDEX = st.integers(0, SCENES - 1)


@pytest.fixture(scope="module")
def pictures():
    """Backgrounds of different generated scenes, uint8 (N, 96, 96, 3)."""
    backgrounds = SceneGenerator(size=96, seed=5).batch(range(SCENES))["bg"]
    return (backgrounds.permute(0, 2, 3, 1) * 255).round().byte().numpy()


@pytest.fixture(scope="module")
def thumbnails(pictures):
    return np.stack([thumbnail(picture) for picture in pictures])


def copy_of(picture, size, quality, gain, offset):
    """What becomes of a picture on its way through another program."""
    small = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    lit = np.clip(np.asarray(small) * gain + offset, 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(lit).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def distance(a, b):
    return (picture_hash(a) ^ picture_hash(b)).bit_count()


@settings(max_examples=60)
@given(
    INDEX,
    st.tuples(st.integers(48, 150), st.integers(48, 150)),
    st.integers(35, 95),
    st.floats(0.85, 1.1),
    st.integers(-10, 10),
)
def test_copies_are_found(pictures, thumbnails, index, size, quality, gain, offset):
    copy = copy_of(pictures[index], size, quality, gain, offset)
    assert distance(pictures[index], copy) <= 8
    with_copy = np.concatenate([thumbnails, thumbnail(copy)[None]])
    assert similar_pictures(with_copy).tolist() == [[index, SCENES]]
    mirrored = np.concatenate([thumbnails, thumbnail(copy[:, ::-1])[None]])
    assert similar_pictures(mirrored).tolist() == []
    assert similar_pictures(mirrored, mirrored=True).tolist() == [[index, SCENES]]


def test_different_pictures_are_not(thumbnails):
    assert similar_pictures(thumbnails, mirrored=True).tolist() == []
    pairs = [same_picture(a, b, mirrored=True) for k, a in enumerate(thumbnails[:50]) for b in thumbnails[:k]]
    assert sum(pairs) == 0  # of 1,225, also without the hashes


def test_the_hash_holds_the_signs_of_the_lowest_frequencies(pictures):
    grey = thumbnail(pictures[3]) @ np.array([0.299, 0.587, 0.114])
    frequencies = dctn(grey, norm="ortho")
    order = sorted(np.ndindex(32, 32), key=lambda place: (sum(place), place))[1:65]
    assert picture_hash(pictures[3]) == sum(int(frequencies[place] > 0) << k for k, place in enumerate(order))


def wall(rng, noise, light):
    """A wall with a gradient of light from a random direction, and the noise of a camera."""
    rows, columns = np.mgrid[:96, :96] / 96
    angle = rng.uniform(0, 2 * np.pi)
    shade = light * (np.cos(angle) * columns + np.sin(angle) * rows)
    colour = rng.uniform(90, 170, 3)
    return np.clip(colour + shade[..., None] + rng.normal(0, noise, (96, 96, 1)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0, 3, 10])
@pytest.mark.parametrize("light", [0, 15, 60])
def test_plain_walls_do_not_collide_but_their_copies_are_found(noise, light):
    rng = np.random.default_rng(100 * noise + light)
    walls = [wall(rng, noise, light) for _ in range(30)]
    thumbs = np.stack([thumbnail(picture) for picture in walls])
    assert not hash_thumbnails(thumbs).any()
    assert similar_pictures(thumbs).tolist() == []
    with_copy = np.concatenate([thumbs, thumbnail(copy_of(walls[7], (80, 80), 80, 1, 0))[None]])
    assert similar_pictures(with_copy).tolist() == [[7, 30]]


@pytest.mark.parametrize("mirrored", [False, True])
def test_pairs_of_plain_pictures_are_those_of_a_comparison_of_all(mirrored):
    rng = np.random.default_rng(5)
    colours = rng.integers(120, 126, (80, 1, 1, 3))  # so close to each other that some agree
    walls = colours + rng.normal(0, 2, (80, 1, 1, 1)) * np.linspace(-1, 1, 32)[:, None]
    thumbs = walls.round().astype(np.uint8) + np.zeros((1, 32, 1, 1), np.uint8)
    expected = [[i, j] for i in range(80) for j in range(i + 1, 80) if same_picture(thumbs[i], thumbs[j], mirrored)]
    assert 10 < len(expected) < 1000
    assert similar_pictures(thumbs, mirrored=mirrored).tolist() == expected


def test_a_plain_picture_is_not_the_same_as_one_with_structure(thumbnails):
    structured = thumbnails[0]
    faint = (structured // 64 + 120).astype(np.uint8)
    assert picture_hash(faint) == 0
    assert not same_picture(structured, faint)
    assert not same_picture(faint, structured)
    assert same_picture(faint, faint)


def test_equal_pictures_are_paired_with_the_first(pictures, thumbnails):
    plain = np.full((32, 32, 3), 90, np.uint8)
    equal = np.stack([thumbnails[0], plain, *[thumbnails[0], plain] * 1000])
    assert similar_pictures(equal).tolist() == [[0, n] for n in range(2, 2002, 2)] + [[1, n] for n in range(3, 2002, 2)]
    assert similar_pictures(thumbnails[:0]).tolist() == similar_pictures(thumbnails[:0], mirrored=True).tolist() == []


def test_the_same_hash_is_not_enough(thumbnails):
    other = thumbnails[4] // 4 + 150  # the same structure in another light
    assert hash_thumbnails(other[None]) == hash_thumbnails(thumbnails[4][None])
    assert similar_pictures(np.stack([thumbnails[4], other, other, thumbnails[4]])).tolist() == [[0, 3], [1, 2]]


def test_pairs_connect_all_copies(pictures, thumbnails):
    rng = np.random.default_rng(1)
    copies = [
        thumbnail(copy_of(pictures[n % 3], tuple(rng.integers(60, 140, 2)), int(rng.integers(40, 95)), 1, 0))
        for n in range(30)
    ]
    lead = connected(similar_pictures(np.concatenate([thumbnails[:3], copies])), 33)
    assert lead.tolist() == [0, 1, 2] * 11


def test_colour_and_light_set_limits(thumbnails):
    picture = thumbnails[0] // 2 + 60
    assert same_picture(picture, picture + 20)
    assert not same_picture(picture, picture + 60)
    assert not same_picture(picture, (picture // 3 + 80).astype(np.uint8))


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), [[1]], "a.jpg"]
)
def test_what_is_no_picture(picture):
    with pytest.raises(InvalidArgumentError, match=r"expected uint8 \(H, W, 3\)"):
        picture_hash(picture)


@pytest.mark.parametrize("thumbs", [np.zeros((2, 32, 32), np.uint8), np.zeros((2, 16, 16, 3), np.uint8), np.zeros(3)])
def test_what_are_no_thumbnails(thumbs):
    for function in (similar_pictures, hash_thumbnails):
        with pytest.raises(InvalidArgumentError, match=r"expected uint8 \(N, 32, 32, 3\)"):
            function(thumbs)
