"""Miniatures of the named layouts: files called exactly like those of the data sets, and which of them belong together.

Which background a frame has is written down here by going through the loops that made such data, not by the rules under
test.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """What a sample must consist of; ``fg_id`` and ``flip`` are empty where names do not say them."""

    fg_bg: str
    bg: str
    mask: str
    depth: str
    fg_id: str = ""
    flip: str = ""


@dataclass
class Miniature:
    """Samples, and further files that belong to none."""

    rows: list[Row]
    strays: dict[str, bytes] = field(default_factory=dict)


MINIATURES: dict[str, Callable[[], Miniature]] = {}


def build(root: Path, mini: Miniature, content: Callable[[str, Row], bytes] = lambda layer, row: b"") -> None:
    """Writes the files of a miniature; a path through ``x.zip`` becomes a member of that archive."""
    files = dict(mini.strays)
    for row in mini.rows:
        for layer in ("bg", "fg_bg", "mask", "depth"):
            if getattr(row, layer):
                files[getattr(row, layer)] = content(layer, row)
    archives: dict[str, dict[str, bytes]] = {}
    for path, data in files.items():
        archive, inside, member = path.partition(".zip/")
        if inside:
            archives.setdefault(archive + ".zip", {})[member] = data
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    for archive, members in archives.items():
        (root / archive).parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root / archive, "w") as file:
            for member, data in members.items():
                file.writestr(zipfile.ZipInfo(member), data)


def miniature(name):
    def register(function):
        MINIATURES[name] = function
        return function

    return register


def seed_backgrounds():
    """Background of every frame of the seed: five parts, the second made foreground by foreground."""
    backgrounds = [0]
    for part in (1, 2, 3, 4, 5):
        if part == 2:
            backgrounds += [bg for _ in range(20) for bg in range(1, 101) for _ in range(40)]
        else:
            backgrounds += [bg for bg in range(1, 101) for _ in range(20) for _ in range(40)]
    return backgrounds


@miniature("A")
def seed():
    of = seed_backgrounds()
    assert len(of) == 400_001
    rows = []
    for n in (1, 2, 800, 801, 9999, 80_000, 80_001, 80_040, 80_041, 84_000, 84_001, 160_000, 160_001, 240_801, 400_000):
        p = (n - 1) // 80_000 + 1
        inside = f"Dataset/data_part{p}.zip/data_{p}"
        rows.append(
            Row(f"{inside}/Fg-Bg/fg-bg{n}.jpg", f"Background/bg{of[n]}.jpg", f"{inside}/Fg-Bg-Mask/fg-bg-mask{n}.jpg",
                f"{inside}/Depth/depth{n}.jpg")
        )  # fmt: skip
    wrong = "bg\tfg\tfg-bg\tmask\tdepth\nbg1\tfg1\tfg-bg80041\tfg-bg-mask80041\tdepth80041\n"
    return Miniature(rows, {"labels.txt": wrong.encode(), "Foreground/fg1.png": b"", "Mask/mask1.jpg": b""})


@miniature("B")
def folder_per_background():
    rows = []
    for b in (1, 2, 10, 100):
        for n in (1, 2, 10, 4000):
            name = f"bg_{b:03d}/img_{n:04d}.jpg"
            rows.append(Row(f"fg_bg/{name}", f"bg/bg_{b:03d}.jpg", f"fg_bg_mask/{name}", f"fg_bg_depth/{name}"))
    return Miniature(rows, {"fg/fg_001.png": b"", "fg_mask/fg_mask_001.jpg": b""})


@miniature("C")
def background_foreground_flip():
    rows = []
    for b in (0, 9, 10, 99):
        for fg in (7, 70):
            for flip in "FT":
                name = f"bg_{b:02d}/bg_{b:02d}_fg_{fg:02d}_{flip}_12.jpg"
                rows.append(
                    Row(f"fg_bg/{name}", f"bg/bg_{b:02d}.jpg", f"fg_bg_masks/{name}", f"fg_bg_depth/{name}", str(fg),
                        "true" if flip == "T" else "false")
                )  # fmt: skip
    return Miniature(rows, {"labels/bg_00_label_info.txt": b"bg_00_fg_07_T_12"})


@miniature("D")
def modest():
    rows = []
    for b in (1, 2, 11):
        for fg in (1, 100):
            for n in (1, 20, 21, 40):
                stem = f"bg{b:03d}_fg{fg:03d}_{n:02d}"
                rows.append(
                    Row(f"bg_fg/{stem}.jpeg", f"bg/bg{b:03d}.jpeg", f"bg_fg_mask/{stem}_mask.jpeg",
                        f"bg_fg_depth_map/{stem}_depth_map.jpeg", str(fg), "true" if n in range(21, 41) else "false")
                )  # fmt: skip
    strays = {"fg/fg001.png": b"", "fg_mask/fg001_mask.png": b"", "file_map.txt": b"bg001\tbg001_fg001_01\n"}
    return Miniature(rows, strays)


@miniature("E")
def position_of_the_background():
    backgrounds = ["attic.jpg", "hall2.jpg", "hall10.jpg"]  # in natural order
    rows = []
    for k, bg in enumerate(backgrounds):
        for fg in (0, 3):
            for n in (0, 1, 12):
                stem = f"fg_{fg:03d}_bg_{k:03d}"
                rows.append(
                    Row(f"fg_bg/bg_{k:03d}/{stem}_{n:06d}.jpg", f"bg/{bg}",
                        f"fg_bg_mask/bg_{k:03d}/{stem}_mask_{n:06d}.jpg",
                        f"depth_fg_bg/bg_{k:03d}/mask_{stem}_{n:06d}.png", str(fg))
                )  # fmt: skip
    return Miniature(rows, {"bg/Thumbs.db": b"", "labels/bg_000_label_info.txt": b""})


@miniature("F")
def four_thousand():
    of = {n: bg for bg in range(1, 101) for n in range((bg - 1) * 4000 + 1, bg * 4000 + 1)}
    rows = [
        Row(f"fg_bg/fg_bg_{n}.jpg", f"bg/bg_{of[n]}.jpg", f"fg_bg_mask/fg_bg_mask_{n}.jpg", f"depthmap/depth_{n}.jpg")
        for n in (1, 638, 3173, 4000, 4001, 26682, 37898, 400_000)
    ]
    return Miniature(rows, {"mask/fg_1.jpg": b"", "fg/fg_1.png": b""})


@miniature("G")
def folder_called_like_the_background():
    rows = []
    for b in ("1", "2", "10"):
        for n in ("1", "2", "10"):
            rows.append(Row(f"fg_bg/{b}/{n}.jpg", f"bg/{b}.jpg", f"fg_bg_mask/{b}/{n}.jpg", f"dense_depth/{b}/{n}.jpg"))
    return Miniature(rows, {"files.pkl": b""})


@miniature("G2")
def folder_with_the_number_of_the_background():
    rows, n = [], 0
    for b in range(1, 4):
        for _ in range(4):
            n += 1
            name = f"bg_{b:03d}/{n}.jpg"
            rows.append(Row(f"fg_bg/{name}", f"background/{b}.jpg", f"fg_bg_mask/{name}", f"fg_bg_dense_depth/{name}"))
    return Miniature(rows)


@miniature("H")
def flip_in_the_name():
    rows = []
    for b in (1, 10):
        for fg in (1, 12):
            for flip in ("", "flip"):
                name = f"fg{fg:03d}{flip}_bg{b:03d}_01.jpg"
                rows.append(
                    Row(f"fg_bg.zip/fg_bg/{name}", f"bg/img_{b:03d}.jpg", f"mask.zip/mask/{name}",
                        f"depth.zip/depth/{name}", str(fg), "true" if flip else "false")
                )  # fmt: skip
    return Miniature(rows, {"train_filelist.txt": b"fg001_bg001_01.jpg", "test_filelist.txt": b""})


@miniature("I")
def batches_with_their_own_backgrounds():
    rows = []
    for batch, fg in ((1, 9), (2, 11), (10, 99)):
        for b in (1, 51):
            for flip in (0, 1):
                inside, name = f"batch{batch}_images.zip", f"{fg}_{b}_{flip}_2.jpg"
                rows.append(
                    Row(f"{inside}/fg_bg_jpg/fg_bg_{name}", f"{inside}/bg_jpg/bg_img_{b}.jpg",
                        f"{inside}/mask_black_jpg/bg_mask_{name}", f"{inside}/depth_fg_bg_jpg/depth_fg_bg_{name}",
                        str(fg), "true" if flip else "false")
                )  # fmt: skip
    strays = {f"batch1_images.zip/{name}": b"" for name in ("fg_jpg/fg_img_9.png", "mask_jpg/mask_img_9.jpg")}
    return Miniature(rows, strays)


@miniature("J")
def table_with_semicolons():
    rows, lines = [], ["bg;overlay;mask;depth"]
    for b in (1, 2, 10):
        for n in (1, 40):
            inside = f"bg{b}/fg_1"
            row = Row(*(f"Dataset/{path}" for path in (
                f"{inside}/overlay/{n}.jpg", f"bg/bg{b}.jpg", f"{inside}/mask/{n}.jpg", f"{inside}/depth/{n}.jpg"
            )))  # fmt: skip
            rows.append(row)
            lines.append(";".join(path.removeprefix("Dataset/") for path in (row.bg, row.fg_bg, row.mask, row.depth)))
    return Miniature(rows, {"Dataset/label_data.csv": "\n".join(lines).encode()})


@miniature("K")
def leading_number_in_twenty_archives():
    rows = []
    for p in (1, 2, 20):
        for b in (5 * p - 4, 5 * p):
            for n in (1, 100):
                name = f"{b}_bg_{n}_fg.jpg" + (".jpg" if n == 1 else "")
                inside = f"zipFiles/batch_{p}.zip"
                rows.append(
                    Row(f"{inside}/bg_fg_1/{name}", f"bg/{b}_bg.jpg", f"{inside}/bg_fg_mask_1/{name}",
                        f"{inside}/depthMap/{name}")
                )  # fmt: skip
    return Miniature(rows, {"zipFiles/batch_1.zip/labels.txt": b"", "fg/1_fg.jpg": b"", "mask/1_fg_mask.jpg": b""})


@miniature("L")
def line_of_the_log():
    backgrounds = ["Img_bg_2.jpg", "Img_bg_1_flip.jpg", "Img_bg_1.jpg", "Img_bg_2_flip.jpg"]
    log = [f"Img_fg_bg_{n}.jpg,{backgrounds[n % 4]},Img_fg_7.png" for n in range(1, 13)]
    rows = [
        Row(f"FG_BG_400K.zip/FG_BG_400K/Img_fg_bg_{n}.jpg", f"BG_and_Its_Flip/{log[n - 1].split(',')[1]}",
            f"FG_BG_Mask_400K.zip/FG_BG_Mask_400K/Img_fg_bg_mask{n}.jpg",
            f"FG_BG_Depth_0_400K.zip/Img_fg_bg_{n}_depth.jpg")
        for n in range(1, 13)
    ]  # fmt: skip
    return Miniature(rows, {"fg_bg_log.txt": "\n".join(log).encode()})


@miniature("M")
def six_digits_from_zero():
    of, n = {}, 0
    for bg in range(1, 101):
        for _ in range(4000):
            of[n] = bg
            n += 1
    rows = [
        Row(f"output/images/fgbg{n:06d}.jpg", f"bg_images/bgimg{of[n]:03d}.jpg", f"output/masks/mask{n:06d}.jpg",
            f"output/depth/fgbg{n:06d}.jpg")
        for n in (0, 1, 3999, 4000, 7999, 399_999)
    ]  # fmt: skip
    return Miniature(rows)


@miniature("N")
def csv_of_paths():
    rows, lines = [], ["fg_bg_paths,selected_bg_paths,mask_paths,depth_map_paths"]
    for n in (0, 1, 2, 10):
        folder = f"dataset_{n % 2}"
        inside = f"{folder}.zip/{folder}"
        layers = [f"{inside}/{layer}/img_{n:03d}.png" for layer in ("fg_bg", "mask", "depth")]
        row = Row(layers[0], f"bg_cropped.zip/bg_cropped/bg_{7 * n % 3}.png", *layers[1:])
        rows.append(row)
        # The table was written when the archives had been unpacked.
        lines.append(",".join(p.partition(".zip/")[2] for p in (row.fg_bg, row.bg, row.mask, row.depth)))
    return Miniature(rows, {"dataset_info.csv": "\n".join(lines).encode()})


@miniature("O")
def first_number():
    rows = []
    for bg in (0, 1, 10, 109):
        for fg in (0, 103):
            name = f"Image_{bg}_{fg}_{bg * 4160 + fg}.JPEG"
            inside = "data.zip/data"
            rows.append(
                Row(f"{inside}/fg_bg/{name}", f"{inside}/bg_images/bg_{bg}.JPEG", f"{inside}/fg_bg_mask/{name}",
                    f"{inside}/fg_bg_depth/{name}", str(fg))
            )  # fmt: skip
    return Miniature(rows, {"data.zip/data/labels.txt": b""})


@miniature("P")
def sorted_within_folders():
    rows = []
    for b in ("beach", "lake2", "lake10"):
        for n in (1, 2, 10):
            rows.append(
                Row(f"fg_bg/{b}/overlay{n}.jpg", f"bgformat/bg/{b}.jpg", f"fg_bg_mask/{b}/m_{n}.jpg",
                    f"fg_bg_depth/{b}/d{n}.jpg")
            )  # fmt: skip
    return Miniature(rows)


@miniature("Q")
def folder_above_the_folder():
    rows = []
    for b in ("1", "2", "10"):
        for fg in ("3", "30"):
            for n in (1, 10):
                name = f"{b}/{fg}/{n}.jpg"
                rows.append(Row(f"fgbg/{name}", f"bg/{b}.jpg", f"fgbgmask/{name}", f"dense/{name}", fg))
    return Miniature(rows)


@miniature("R")
def all_sorted():
    rows = []
    for n in range(1, 4004):
        bg = "park9.jpg" if n <= 4000 else "park10.jpg"
        paths = (f"bg_fg/picture{n}.jpg", f"bg/{bg}", f"mask/{n}.jpg", f"depth/d{n}.jpg")
        rows.append(Row(*(f"all.zip/{path}" for path in paths)))
    return Miniature(rows, {"all.zip/bg/park11.jpg": b""})


@miniature("S")
def underscores_in_the_depth_alone():
    rows = []
    for b in (1, 12):
        for n in (1, 2):
            stem = f"bg_{b:03d}_fg_001_{n:03d}"
            rows.append(
                Row(f"bg_fg/bg{b:03d}_fg001_{n:03d}.jpeg", f"bg/bg{b:03d}.jpeg", f"mask/{stem}_mask_{n:03d}.jpeg",
                    f"depth/{stem}_depth_map_{n:03d}.jpeg", "1")
            )  # fmt: skip
    return Miniature(rows)


@miniature("T")
def background_varies_fastest():
    rows, of, n = [], {}, 0
    for _ in range(40):
        for bg in range(1, 101):
            n += 1
            of[n] = bg
    for n in (1, 2, 99, 100, 101, 250, 4000):
        rows.append(Row(f"fg_bg/fg_bg{n}.jpg", f"bg/bg{of[n]:03d}.jpg", f"mask/mask{n}.jpg", f"depth/depth{n}.jpg"))
    return Miniature(rows, {"fg/fg001.jpg": b""})


@miniature("U")
def explicit_order():
    order = [f"scene-{chr(97 + 37 * i % 26)}{i}.jpg" for i in range(100)]
    order = order[50:] + order[:50]
    of, n = {}, 0
    while n < 4100:
        for bg in order:
            for _ in range(20):
                of[n] = bg
                n += 1
    rows = []
    for n in (0, 19, 20, 1999, 2000, 2021, 4019):
        part = "test" if n % 3 == 0 else "train"
        rows.append(
            Row(f"data/fg_bg/{part}/{n}.jpg", f"data/bg/background_resize_224/{of[n]}", f"data/mask/{part}/{n}.jpg",
                f"data/depth/{part}/{n}.jpg")
        )  # fmt: skip
    strays = {f"data/bg/background_resize_224/{name}": b"" for name in order}
    return Miniature(
        rows, strays | {"bg_order.csv": ("position,bg\n" + "".join(f"{i},{b}\n" for i, b in enumerate(order))).encode()}
    )


@miniature("U2")
def explicit_order_without_depth():
    order = [f"{chr(122 - i % 26)}{i}.png" for i in range(100)]
    rows = [
        Row(f"fg_bg_images/{n}.png", f"bg_images/{order[k]}", f"mask/bw_{n}.png", "")
        for n, k in ((0, 0), (19, 0), (20, 1), (1999, 99), (2000, 0), (2059, 2))
    ]
    strays = {f"bg_images/{name}": b"" for name in order} | {"bg_order.csv": "\n".join(order).encode()}
    return Miniature(rows, strays | {"depth_bw/0.jpg": b""})


@miniature("V")
def csv_that_names_the_archives():
    columns = "ImageName,MaskName,Depthname,BGImageName,BaseImageFName,DepthImageFName,BGType,BGImageFName"
    rows, lines = [], [columns]
    for i, (code, bg) in enumerate(
        (("d41d8cd98f", "mall_1.jpg"), ("0cc175b9c0", "lobby_2.jpg"), ("92eb5ffee6", "mall_1.jpg"))
    ):
        images, depths = f"images_{i % 2}.zip", f"depth_{i % 2}.zip"
        image, mask, depth = f"image_{code}_{bg}", f"mask_{code}_{bg}", f"depth_image_{code}_{bg}"
        rows.append(Row(f"{images}/{image}", f"bg_images.zip/{bg}", f"{images}/{mask}", f"{depths}/{depth}"))
        lines.append(f"{image},{mask},{depth},{bg},{images},{depths},{bg.split('_')[0]},bg_images.zip")
    return Miniature(rows, {"DepthMapDataSet.csv": "\n".join(lines).encode()})


@miniature("W")
def three_archives():
    rows = []
    for b in (7, 70):
        for fg in (1, 151):
            name = f"bg{b:03d}_fg{fg:03d}_02.png"
            rows.append(
                Row(f"Overlaid.zip/Overlaid/{name}", f"Backgrounds/bg{b:03d}.png", f"overlaid masks.zip/{name}",
                    f"Depths.zip/{name}", str(fg))
            )  # fmt: skip
    return Miniature(rows)


@miniature("X")
def names_as_in_modest():
    rows = []
    for b in (1, 102):
        for fg in (1, 104):
            stem = f"bg{b:03d}_fg{fg:03d}_01"
            rows.append(
                Row(f"fg_bg/{stem}.png", f"background/bg{b:03d}.png", f"fg_bg_mask/{stem}_mask.png",
                    f"fg_bg_depth/{stem}_depth_map.png", str(fg))
            )  # fmt: skip
    return Miniature(rows)
