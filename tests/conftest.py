"""What all tests share: a tiny set of quadruples on disk, and no network."""

import ipaddress
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# The pictures here are tiny: more threads would only wait for each other. Before torch is imported, and for workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines are slow at times: a property fails because it is wrong, never because it took long. And the
# examples are the same in every run, so that a red build is red for its own change.
settings.register_profile("fgbgnet", deadline=None, derandomize=True, database=None)
settings.load_profile("fgbgnet")

BACKGROUNDS, SAMPLES, HEIGHT, WIDTH = 4, 12, 48, 64


class NetworkBlockedError(RuntimeError):
    """A test tried to leave the machine."""


def _is_local(host: object) -> bool:
    if host in ("", "localhost", None, socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def block_network():
    """Lets sockets reach this machine only: workers of a loader and process groups talk over AF_UNIX and loopback."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    getaddrinfo = socket.getaddrinfo

    def check(sock, address):
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            raise NetworkBlockedError(f"a test tried to reach {address}; tests never touch the network")

    def guarded_connect(self, address):
        check(self, address)
        return connect(self, address)

    def guarded_connect_ex(self, address):
        check(self, address)
        return connect_ex(self, address)

    def guarded_sendto(self, data, *rest):
        check(self, rest[-1])
        return sendto(self, data, *rest)

    def guarded_getaddrinfo(host, *args, **kwargs):
        if not _is_local(host.decode() if isinstance(host, bytes) else host):
            raise NetworkBlockedError(f"a test tried to look up {host!r}; tests never touch the network")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket.socket, "sendto", guarded_sendto)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A background, uint8 (H, W, 3), and its depth in metres, float (H, W): a shaded wall over a floor."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    horizon = int(rng.integers(20, 30))
    wall, floor = rng.uniform(60, 220, 3), rng.uniform(40, 200, 3)
    waves = 15 * np.sin(columns * rng.uniform(0.2, 0.6)) * np.cos(rows * rng.uniform(0.2, 0.6))
    picture = (
        np.where((rows < horizon)[..., None], wall, floor) + waves[..., None] + rng.normal(0, 2, (HEIGHT, WIDTH, 1))
    )
    depth = np.where(rows < horizon, 6.0, 6.0 * horizon / np.maximum(rows, 1))
    return np.clip(picture, 0, 255).astype(np.uint8), depth


@pytest.fixture(scope="session")
def quadruples(tmp_path_factory) -> Path:
    """``manifest.csv`` of 12 generated quadruples, 48 x 64 pixels, on 4 backgrounds with 3 foregrounds.

    Pictures are PNG, masks PNG with 0 and 255, depth 16-bit PNG in millimetres with near = small and a few invalid
    pixels (0). The foreground is an ellipse, nearer than everything behind it; the last sample has none.
    """
    root = tmp_path_factory.mktemp("quadruples")
    rng = np.random.default_rng(7)
    for folder in ("bg", "fg_bg", "mask", "depth"):
        (root / folder).mkdir()
    scenes = [_scene(rng) for _ in range(BACKGROUNDS)]
    for b, (picture, _) in enumerate(scenes):
        Image.fromarray(picture).save(root / f"bg/bg_{b}.png")
    rows = ["id,bg,fg_bg,mask,depth,bg_id,fg_id,depth_unit,depth_direction"]
    grid = np.mgrid[:HEIGHT, :WIDTH]
    for n in range(SAMPLES):
        b, f = n % BACKGROUNDS, n // BACKGROUNDS
        picture, depth = scenes[b]
        centre, radii = rng.uniform((14, 14), (34, 50)), rng.uniform(6, 14, 2)
        inside = (((grid.T - centre) / radii) ** 2).sum(-1).T < 1
        inside &= n < SAMPLES - 1
        colour = ((230, 40, 40), (30, 60, 230), (20, 20, 20))[f]
        frame = np.where(inside[..., None], np.array(colour) + rng.normal(0, 8, (HEIGHT, WIDTH, 3)), picture)
        millimetres = np.where(inside, 1000 * rng.uniform(1.5, 3), 1000 * depth).astype(np.uint16)
        millimetres[:3, :5] = 0
        Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8)).save(root / f"fg_bg/{n:03d}.png")
        Image.fromarray(inside.astype(np.uint8) * 255).save(root / f"mask/{n:03d}.png")
        Image.fromarray(millimetres).save(root / f"depth/{n:03d}.png")
        rows.append(
            f"s{n:03d},bg/bg_{b}.png,fg_bg/{n:03d}.png,mask/{n:03d}.png,depth/{n:03d}.png,b{b},f{f},metres,near_small"
        )
    path = root / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path
