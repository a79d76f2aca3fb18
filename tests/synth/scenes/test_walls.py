"""The box around a scene: its fast path against the path of solids, and its sky."""

import numpy as np
import pytest
import torch

from fgbgnet.synth.scenes.casting import cast_solids
from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.enclosure import FLOOR, draw_enclosures
from fgbgnet.synth.scenes.geometry import BOX, Cameras
from fgbgnet.synth.scenes.materials import Finish
from fgbgnet.synth.scenes.parts import Group
from fgbgnet.synth.scenes.shading import Columns, Hits, scene_table, solid_table, surface
from fgbgnet.synth.scenes.textures import TextureBank
from fgbgnet.synth.scenes.walls import cast_walls, face_table, wall_surface
from tests.synth.scenes.groups import solids_of

CPU, SIZE = torch.device("cpu"), (36, 52)


@pytest.fixture(scope="module")
def bank():
    return TextureBank(3)


@pytest.fixture(scope="module")
def scenes():
    return draw_enclosures(Draws(3, "background", np.arange(12)))


def cameras_of(scenes):
    return Cameras(scenes.camera, scenes.axes, scenes.focal * min(SIZE), SIZE)


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def seen(scenes, bank):
    cameras = cameras_of(scenes)
    walls = cast_walls(scenes, cameras, CPU)
    table = tensor(scene_table(cameras, scenes.light).T)
    outdoors = torch.from_numpy(scenes.outdoors)
    args = tensor(face_table(scenes).T), Columns(table, None), tensor(scenes.camera), table[12], outdoors
    return walls, wall_surface(walls, *args, bank), table


def six_boxes(scenes):
    """The same boxes as solids: one thick slab behind each face."""
    groups = []
    for low, high in zip(scenes.low, scenes.high, strict=True):
        group = Group()
        for face in range(6):
            centre, half = (low + high) / 2, (high - low) / 2 + 1
            centre[face // 2] = (low - 2, high + 2)[face % 2][face // 2]
            half[face // 2] = 2
            group.add(BOX, centre, half, Finish())
        groups.append(group)
    return solids_of(groups), np.concatenate([np.array(group.halves) for group in groups])


def plain_faces(scenes):
    """Without texture: the two paths lay textures differently."""
    faces = scenes.faces.copy()
    faces[..., 7:10] = faces[..., 12] = faces[..., 13] = 0
    return type(scenes)(**{**vars(scenes), "faces": faces, "outdoors": np.zeros(len(faces), dtype=bool)})


def test_depth_and_faces_are_those_of_six_boxes_seen_from_inside(scenes):
    walls = cast_walls(scenes, cameras_of(scenes), CPU)
    solids, _ = six_boxes(scenes)
    depth, index = cast_solids(solids, cameras_of(scenes))
    torch.testing.assert_close(walls.depth, depth, rtol=1e-3, atol=1e-3)
    face = index - 6 * torch.arange(12)[:, None, None]
    assert (walls.face == face).float().mean() > 0.99  # edges may fall to either side


def test_light_on_the_faces_is_that_on_six_boxes(scenes, bank):
    scenes = plain_faces(scenes)
    walls, fast, table = seen(scenes, bank)
    solids, half = six_boxes(scenes)
    numbers = tensor(solid_table(solids, half, scenes.faces.reshape(-1, scenes.faces.shape[-1])).T)
    scene = torch.arange(12).repeat_interleave(SIZE[0] * SIZE[1])
    row = walls.face.flatten().long() + 6 * scene
    view = tuple(d.flatten() for d in walls.directions)
    slow = surface(Hits(Columns(numbers, row), Columns(table, scene), view, walls.depth.flatten()), bank)
    # Where two faces meet the boxes cannot say which is meant.
    inner = torch.ones_like(walls.depth, dtype=torch.bool)
    for dim in (1, 2):
        for step in (-1, 1):
            inner &= walls.face == walls.face.roll(step, dim)
    inner = inner.flatten()
    assert inner.float().mean() > 0.7
    for name in ("up", "lit", "glow"):
        one, other = getattr(fast, name).flatten()[inner], getattr(slow, name)[inner]
        assert ((one - other).abs() < 0.01).float().mean() > 0.999, name
    for k in range(3):
        torch.testing.assert_close(fast.albedo[k].flatten()[inner], slow.albedo[k][inner], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fast.position[k].flatten(), slow.position[k], rtol=1e-5, atol=1e-5)
    assert (fast.shine == 0).all()


def test_places_lie_on_their_faces(scenes, bank):
    walls, painted, _ = seen(scenes, bank)
    position = torch.stack(painted.position, -1).view(*walls.face.shape, 3).numpy()
    for face in range(6):
        scene, y, x = np.nonzero(walls.face.numpy() == face)
        plane = (scenes.low, scenes.high)[face % 2][scene, face // 2]
        np.testing.assert_allclose(position[scene, y, x, face // 2], plane, atol=2e-3)


def test_textures_lie_on_the_faces_in_metres(scenes, bank):
    """Across is z on the side walls and x elsewhere; down is z on floor and ceiling and y elsewhere."""
    faces = scenes.faces.copy()
    faces[..., 1], faces[..., 12] = 0.05, 0  # so large that no smaller level is taken, and nothing finer on top
    rooms = type(scenes)(**{**vars(scenes), "faces": faces, "outdoors": np.zeros(12, dtype=bool)})
    walls, painted, _ = seen(rooms, bank)
    position = [p.flatten().double() for p in painted.position]
    scene = torch.arange(12).repeat_interleave(SIZE[0] * SIZE[1])
    face = walls.face.flatten().long()
    m = [torch.from_numpy(faces)[scene, face, k] for k in range(13)]
    u = torch.where(face < 2, position[2], position[0])
    v = torch.where((face == 2) | (face == 3), position[2], position[1])
    where = [(c * m[1] + m[2 + k]).float() for k, c in enumerate((u, v))]
    texture = bank.smooth(m[0].float(), *where, torch.full_like(where[0], 0.1))
    for k in range(3):
        expected = ((texture[k].double() - 0.45) * m[7 + k] + m[4 + k]).clamp(0.03, 1) ** 2
        close = (painted.albedo[k].flatten() - expected).abs() < 0.02  # a rounded weight may jump by 1/16
        assert close.float().mean() > 0.995


def street_view(scenes, move=(0.0, 0.0, 0.0)):
    """Outdoor scenes whose cameras look up into the sky."""
    chosen = np.flatnonzero(scenes.outdoors)
    columns = {name: value[chosen] for name, value in vars(scenes).items()}
    pitch = 0.5
    axes = np.array([[1.0, 0, 0], [0, -np.cos(pitch), np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    columns["axes"] = np.stack([axes] * len(chosen))
    columns["camera"] = columns["camera"] + move
    return type(scenes)(**columns)


def test_the_sky_depends_on_the_direction_alone(scenes, bank):
    """It is infinitely far: who moves sees the same clouds, whatever face of the box they are painted on."""
    first, here, _ = seen(street_view(scenes), bank)
    second, there, _ = seen(street_view(scenes, (0.5, 0.3, 9.0)), bank)
    sky = (first.face != FLOOR) & (second.face != FLOOR)
    assert (sky & (first.face != second.face)).any()
    for k in range(3):
        assert torch.equal(here.albedo[k].view(sky.shape)[sky], there.albedo[k].view(sky.shape)[sky])
    for name in ("up", "lit", "glow"):
        assert torch.equal(getattr(here, name).view(sky.shape)[sky], getattr(there, name).view(sky.shape)[sky])


def test_the_sky_does_not_break_where_faces_meet(scenes, bank):
    walls, painted, _ = seen(street_view(scenes), bank)
    green, face = painted.albedo[1].view(walls.face.shape).sqrt(), walls.face
    jump, sky = (green[..., 1:] - green[..., :-1]).abs(), (face[..., 1:] != FLOOR) & (face[..., :-1] != FLOOR)
    meets = sky & (face[..., 1:] != face[..., :-1])
    assert meets.sum() > 50
    assert jump[meets].mean() < 2 * jump[sky & ~meets].mean() + 1e-3


def test_the_sky_is_not_lit_and_glows(scenes, bank):
    walls, painted, _ = seen(street_view(scenes), bank)
    sky = (walls.face != FLOOR).flatten(1)
    assert sky.any()
    assert (~sky).any()
    assert (painted.lit[sky] == 0).all()
    assert (painted.glow[sky] > 0).all()
    assert (painted.lit[~sky] > 0).any()
    assert (painted.glow[~sky] == 0).all()


def test_a_scene_is_the_same_beside_others(scenes, bank):
    """The path of the sky is entered if any scene is outdoors: rooms beside it stay the same bits."""
    room = int(np.flatnonzero(~scenes.outdoors)[0])
    alone = type(scenes)(**{name: value[room : room + 1] for name, value in vars(scenes).items()})
    _, whole, _ = seen(scenes, bank)
    _, part, _ = seen(alone, bank)
    for k in range(3):
        assert torch.equal(part.albedo[k][0], whole.albedo[k][room])
    assert torch.equal(part.lit[0], whole.lit[room])
