"""Parts of `data.py`: generated files, the loader of 2020, and decoders."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import io, transforms
from tqdm import tqdm

from fgbgnet.data import Manifest
from fgbgnet.synth import SceneGenerator

SIDE = 224


def write_files(root: Path, count: int, backgrounds: int) -> dict[str, Manifest]:
    """Generated quadruples with masks as JPEG, and the same with masks as PNG."""
    for folder in ("bg", "fg_bg", "mask", "depth"):
        (root / folder).mkdir(parents=True)
    generator = SceneGenerator(SIDE)
    for first in tqdm(range(0, count, 32), desc="writing files", disable=None):
        numbers = range(first, min(first + 32, count))
        batch = generator.batch(numbers, [k % backgrounds for k in numbers])
        for k in numbers:
            layers = {name: layer[k - first].permute(1, 2, 0).numpy() for name, layer in batch.items()}
            if k < backgrounds:
                to_picture(layers["bg"]).save(root / f"bg/{k}.jpg")
            to_picture(layers["fg_bg"]).save(root / f"fg_bg/{k}.jpg")
            depth = layers["depth"] / max(layers["depth"].max(), 1e-6)
            to_picture(np.repeat(depth, 3, axis=2)).save(root / f"depth/{k}.jpg")
            for suffix in ("jpg", "png"):
                to_picture(layers["mask"][..., 0]).save(root / f"mask/{k}.{suffix}")
    columns = {name: [f"{name}/{k}.jpg" for k in range(count)] for name in ("fg_bg", "mask", "depth")}
    columns["bg"] = [f"bg/{k % backgrounds}.jpg" for k in range(count)]
    png = columns | {"mask": [f"mask/{k}.png" for k in range(count)]}
    return {"JPEG": Manifest(columns, root), "PNG": Manifest(png, root)}


def to_picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))


class LoaderOf2020(Dataset):
    """Four lists of paths; every picture is opened, resized and changed in its colours on its own."""

    def __init__(self, manifest: Manifest, size: int, count: int) -> None:
        self.root = manifest.root
        self.paths = {name: manifest.column(name).tolist()[:count] for name in ("bg", "fg_bg", "mask", "depth")}
        colours = ((0.658, 0.615, 0.574), (0.244, 0.254, 0.269))
        moments = {"bg": colours, "fg_bg": colours, "mask": ((0.046,), (0.205,)), "depth": ((0.509,), (0.282,))}
        self.transforms = {
            name: transforms.Compose(
                [
                    transforms.Resize((size, size)),
                    transforms.ColorJitter(0.05, 0.05, 0.05, 0.05),
                    transforms.ToTensor(),
                    transforms.Normalize(*moments[name]),
                ]
            )
            for name in moments
        }

    def __len__(self) -> int:
        return len(self.paths["fg_bg"])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sample = {}
        for name, transform in self.transforms.items():
            with Image.open(self.root / self.paths[name][index]) as picture:
                sample[name] = transform(picture.convert("L") if name == "depth" else picture)
        return sample


def decoding_ways(kind: str) -> dict[str, Callable[[bytes], object]]:
    """Libraries that decode a kind of file: RGB or grey JPEG, or grey PNG."""
    colour = kind == "RGB"
    flag = cv2.IMREAD_COLOR_RGB if colour else cv2.IMREAD_GRAYSCALE
    mode = io.ImageReadMode.RGB if colour else io.ImageReadMode.GRAY

    def pillow(content: bytes) -> object:
        return np.asarray(Image.open(BytesIO(content)))

    ways: dict[str, Callable[[bytes], object]] = {
        "OpenCV": lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), flag),
        "torchvision": lambda content: io.decode_image(torch.frombuffer(bytearray(content), dtype=torch.uint8), mode),
        "Pillow": pillow,
    }
    if kind == "PNG":
        return ways
    channels, half = "RGB" if colour else "GRAY", SIDE // 2
    reduced = cv2.IMREAD_REDUCED_COLOR_2 if colour else cv2.IMREAD_REDUCED_GRAYSCALE_2

    def pillow_half(content: bytes) -> object:
        picture = Image.open(BytesIO(content))
        picture.draft(picture.mode, (half, half))
        return np.asarray(picture)

    return {
        "simplejpeg": lambda content: simplejpeg.decode_jpeg(content, channels),
        **ways,
        "simplejpeg, half size": lambda content: simplejpeg.decode_jpeg(
            content, channels, min_height=half, min_width=half, min_factor=1
        ),
        "OpenCV, half size": lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), reduced),
        "Pillow, half size": pillow_half,
    }
