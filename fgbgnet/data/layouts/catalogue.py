r"""Layouts that have a name: those of the many data sets that were made after one recipe, each only configuration.

Patterns begin with ``**/``: whether the folders lie in archives, and under which folder, does not matter.
"""

from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.rules import AtLeast, Blocks, InOrder, Parts
from fgbgnet.data.layouts.tables import Table

_PICTURE = r"(?i:.+\.(?:jpe?g|png|bmp|webp|tiff?))"  # where files are counted, a stray one must not be among them
_SEED_RULE = Parts(80_000, Blocks(800, base=0), {2: Blocks(40, base=0, count=100)})

_ALL = (
    Layout(
        "A",
        "`Fg-Bg/fg-bg{n}`, five parts of 80,000: 800 consecutive frames per background in a part; part 2 was made "
        "foreground by foreground, 40 frames per background",
        bg=(r"**/{:Background|bg}/bg{b:\d+}.*", r"**/bg{b:\d+}.*"),
        fg_bg=r"**/Fg-Bg/fg-bg{n:\d+}.*",
        mask=r"**/Fg-Bg-Mask/fg-bg-mask{n:\d+}.*",
        depth=r"**/Depth/depth{n:\d+}.*",
        background=_SEED_RULE,
        note="labels.txt is wrong for part 2 (frames 80001 to 160000); it is not read, the arithmetic counts",
    ),
    Layout(
        "B",
        "`fg_bg/bg_001/img_0001`: the folder is the background's name, numbers start again in each",
        bg=r"**/bg/bg_{b:\d+}.*",
        fg_bg=r"**/fg_bg/bg_{b:\d+}/img_{n:\d+}.*",
        mask=r"**/fg_bg_mask/bg_{b:\d+}/img_{n:\d+}.*",
        depth=r"**/fg_bg_depth/bg_{b:\d+}/img_{n:\d+}.*",
    ),
    Layout(
        "C",
        "`bg_00_fg_07_T_12`, the same in all folders: the name begins with the background; T is mirrored",
        bg=r"**/bg/bg_{b:\d+}.*",
        fg_bg=r"**/fg_bg/**/bg_{b:\d+}_fg_{fg:\d+}_{flip:[TF]}_{n:\d+}.*",
        mask=r"**/fg_bg_masks/**/bg_{b:\d+}_fg_{fg:\d+}_{flip:[TF]}_{n:\d+}.*",
        depth=r"**/fg_bg_depth/**/bg_{b:\d+}_fg_{fg:\d+}_{flip:[TF]}_{n:\d+}.*",
    ),
    Layout(
        "D",
        "MODEST: `bg001_fg001_01` with `_mask` and `_depth_map`: the name begins with the background; 21 and above are "
        "mirrored",
        bg=r"**/bg/bg{b:\d+}.*",
        fg_bg=r"**/bg_fg/**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}.*",
        mask=r"**/bg_fg_mask/**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}_mask.*",
        depth=r"**/bg_fg_depth_map/**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}_depth_map.*",
        flip=AtLeast(21, "n"),
    ),
    Layout(
        "E",
        "`fg_000_bg_000_000000`: the number behind `bg` counts the backgrounds in natural order, from 0",
        bg=f"**/bg/{{file:{_PICTURE}}}",
        fg_bg=r"**/fg_bg/**/fg_{fg:\d+}_bg_{b:\d+}_{n:\d+}.*",
        mask=r"**/fg_bg_mask/**/fg_{fg:\d+}_bg_{b:\d+}_{:mask_}{n:\d+}.*",
        depth=r"**/depth_fg_bg/**/{:mask_|depth_|}fg_{fg:\d+}_bg_{b:\d+}_{:mask_|depth_|}{n:\d+}.*",
        background=InOrder("b"),
    ),
    Layout(
        "F",
        "`fg_bg_{n}`, `fg_bg_mask_{n}`, `depth_{n}`: 4000 consecutive frames per background, from 1",
        bg=r"**/bg/bg_{b:\d+}.*",
        fg_bg=r"**/{:fg_bg|image|images}/fg_bg_{n:\d+}.*",
        mask=r"**/{:fg_bg_mask|mask}/fg_bg_mask_{n:\d+}.*",
        depth=r"**/depthmap/depth_{n:\d+}.*",
        background=Blocks(4000),
    ),
    Layout(
        "G",
        "`fg_bg/<background>/{n}`, depth in `dense_depth`: the folder is the background's name",
        bg=r"**/bg/{b}.*",
        fg_bg=r"**/fg_bg/{b}/{n:\d+}.*",
        mask=r"**/fg_bg_mask/{b}/{n:\d+}.*",
        depth=r"**/dense_depth/{b}/{n:\d+}.*",
    ),
    Layout(
        "G2",
        "`fg_bg/bg_001/{n}`, depth in `fg_bg_dense_depth`: the folder's number is the background's name",
        bg=r"**/background/{b:\d+}.*",
        fg_bg=r"**/fg_bg/bg_{b:\d+}/{n:\d+}.*",
        mask=r"**/fg_bg_mask/bg_{b:\d+}/{n:\d+}.*",
        depth=r"**/fg_bg_dense_depth/bg_{b:\d+}/{n:\d+}.*",
    ),
    Layout(
        "H",
        "`fg001[flip]_bg001_01`, the same in `fg_bg`, `mask`, `depth`: the number behind `bg`; depth is near = bright",
        bg=r"**/img_{b:\d+}.*",
        fg_bg=r"**/fg_bg/**/fg{fg:\d+}{flip:(?:flip)?}_bg{b:\d+}_{n:\d+}.*",
        mask=r"**/mask/**/fg{fg:\d+}{flip:(?:flip)?}_bg{b:\d+}_{n:\d+}.*",
        depth=r"**/depth/**/fg{fg:\d+}{flip:(?:flip)?}_bg{b:\d+}_{n:\d+}.*",
        columns={"depth_direction": "near_large"},
    ),
    Layout(
        "I",
        "`fg_bg_{fg}_{bg}_{flip}_{n}` in batches, each with its own copies of the backgrounds: the second number",
        bg=(
            r"**/batch{batch:\d+}_images/**/bg_jpg/bg_img_{b:\d+}.*",
            r"**/bg_jpg/bg_img_{b:\d+}.*",
            r"**/bg_img_{b:\d+}.*",
        ),
        fg_bg=(
            r"**/batch{batch:\d+}_images/**/fg_bg_jpg/fg_bg_{fg:\d+}_{b:\d+}_{flip:\d+}_{n:\d+}.*",
            r"**/fg_bg_{fg:\d+}_{b:\d+}_{flip:\d+}_{n:\d+}.*",
        ),
        mask=(
            r"**/batch{batch:\d+}_images/**/mask_black_jpg/bg_mask_{fg:\d+}_{b:\d+}_{flip:\d+}_{n:\d+}.*",
            r"**/bg_mask_{fg:\d+}_{b:\d+}_{flip:\d+}_{n:\d+}.*",
        ),
        depth=(
            r"**/batch{batch:\d+}_images/**/depth_fg_bg_jpg/depth_fg_bg_{fg:\d+}_{b:\d+}_{flip:\d+}_{n:\d+}.*",
            r"**/depth_fg_bg_{fg:\d+}_{b:\d+}_{flip:\d+}_{n:\d+}.*",
        ),
        columns={"bg_id": "{b}"},
    ),
    Layout(
        "J",
        "`label_data.csv` with semicolons: bg;overlay;mask;depth",
        table=Table(
            ("label_data.csv", "Dataset/label_data.csv"),
            {"bg": "bg", "fg_bg": "overlay", "mask": "mask", "depth": "depth"},
            delimiter=";",
        ),
    ),
    Layout(
        "K",
        "`batch_{p}.zip` with `bg_fg_1/{bg}_bg_{n}_fg`, the same name in `bg_fg_mask_1` and `depthMap`: the leading "
        "number; paired by archive and name",
        bg=r"**/{b:\d+}_bg.*",
        fg_bg=r"**/{batch:.*\d+}/bg_fg_1/{b:\d+}_bg_{n:\d+}_fg.*",
        mask=r"**/{batch:.*\d+}/bg_fg_mask_1/{b:\d+}_bg_{n:\d+}_fg.*",
        depth=r"**/{batch:.*\d+}/depthMap/{b:\d+}_bg_{n:\d+}_fg.*",
    ),
    Layout(
        "L",
        "`Img_fg_bg_{n}`, `Img_fg_bg_mask{n}`, `Img_fg_bg_{n}_depth`: line n of the log names the background",
        bg=f"**/BG_and_Its_Flip/**/{{file:{_PICTURE}}}",
        fg_bg=r"**/Img_fg_bg_{n:\d+}.*",
        mask=r"**/Img_fg_bg_mask{n:\d+}.*",
        depth=r"**/Img_fg_bg_{n:\d+}_depth.*",
        background=InOrder(Blocks(1, first=0, base=1), r"**/{:.*[Ll]og.*\.(?:txt|csv|log)|.*\.log}"),
        note="a mirrored background is a file of its own: before splitting by background, give both one bg_id",
    ),
    Layout(
        "M",
        "`images/fgbg000000`, `masks/mask000000`, `depth/`: 4000 consecutive frames per background, from 0",
        bg=r"**/bg_images/bgimg{b:\d+}.*",
        fg_bg=r"**/images/fgbg{n:\d+}.*",
        mask=r"**/masks/mask{n:\d+}.*",
        depth=r"**/depth/{:fgbg|depth}{n:\d+}.*",
        background=Blocks(4000, first=1, base=0),
        note="some sets of this kind have mirrored backgrounds or depth with near = bright: check them",
    ),
    Layout(
        "M2",
        "`images/img000001`, the same in `masks` and `depth`; has no backgrounds: give bg and its rule",
        fg_bg=r"**/images/img{n:\d+}.*",
        mask=r"**/masks/img{n:\d+}.*",
        depth=r"**/depth/img{n:\d+}.*",
    ),
    Layout(
        "N",
        "`dataset_info.csv` with fg_bg_paths, selected_bg_paths, mask_paths, depth_map_paths",
        table=Table(
            "dataset_info.csv",
            {
                "bg": "selected_bg_paths",
                "fg_bg": "fg_bg_paths",
                "mask": "mask_paths",
                "depth": "depth_map_paths",
            },
        ),
    ),
    Layout(
        "O",
        "`Image_{bg}_{fg}_{count}`, the same in all folders: the first number",
        bg=r"**/bg_images/{:\D*}{b:\d+}.*",
        fg_bg=r"**/fg_bg/Image_{b:\d+}_{fg:\d+}_{n:\d+}.*",
        mask=r"**/fg_bg_mask/Image_{b:\d+}_{fg:\d+}_{n:\d+}.*",
        depth=r"**/fg_bg_depth/Image_{b:\d+}_{fg:\d+}_{n:\d+}.*",
    ),
    Layout(
        "P",
        "`fg_bg/<background>/`, `fg_bg_mask/<background>/`, backgrounds in `bgformat/bg`: the folder; paired by place "
        "in natural order within it",
        bg=r"**/bgformat/bg/{b}.*",
        fg_bg=f"**/fg_bg/{{b}}/{{frame:{_PICTURE}}}",
        mask=f"**/fg_bg_mask/{{b}}/{{mask_file:{_PICTURE}}}",
        depth=f"**/fg_bg_depth/{{b}}/{{depth_file:{_PICTURE}}}",
        pair_by="position",
    ),
    Layout(
        "Q",
        "`fgbg/<background>/<foreground>/{n}`, `fgbgmask`, `dense`: the folder above the folder",
        bg=r"**/bg/{b}.*",
        fg_bg=r"**/fgbg/{b}/{fg}/{n:\d+}.*",
        mask=r"**/fgbgmask/{b}/{fg}/{n:\d+}.*",
        depth=r"**/{:dense|[Dd]ense[Dd]epth}/{b}/{fg}/{n:\d+}.*",
    ),
    Layout(
        "R",
        "`bg`, `bg_fg`, `mask`, `depth`, any names: all in natural order, 4000 consecutive frames per background",
        bg=f"**/bg/{{file:{_PICTURE}}}",
        fg_bg=f"**/bg_fg/{{frame:{_PICTURE}}}",
        mask=f"**/mask/{{mask_file:{_PICTURE}}}",
        depth=f"**/depth/{{depth_file:{_PICTURE}}}",
        pair_by="position",
        background=InOrder(Blocks(4000, first=0, base=0, field="position")),
    ),
    Layout(
        "S",
        "`bg001_fg001_001` with depth in `bg_001_fg_001_001_depth_map_001`: the name begins with the background",
        bg=r"**/bg{b:\d+}.*",
        fg_bg=r"**/bg{:_?}{b:\d+}_fg{:_?}{fg:\d+}_{n:\d+}.*",
        mask=r"**/bg{:_?}{b:\d+}_fg{:_?}{fg:\d+}_{n:\d+}_mask{:(?:_\d+)?}.*",
        depth=r"**/bg{:_?}{b:\d+}_fg{:_?}{fg:\d+}_{n:\d+}_depth_map{:(?:_\d+)?}.*",
    ),
    Layout(
        "T",
        "`fg_bg{n}` in flat folders: the background varies fastest, 100 of them, from 1",
        bg=r"**/bg{b:\d+}.*",
        fg_bg=r"**/fg_bg{n:\d+}.*",
        mask=r"**/{:fg_bg_mask|mask}{n:\d+}.*",
        depth=r"**/{:fg_bg_depth|depth}{n:\d+}.*",
        background=Blocks(1, count=100),
    ),
    Layout(
        "U",
        "`fg_bg/train/{n}`, the same in `mask` and `depth`: 20 consecutive frames per background, 100 in turn, in the "
        "order of `bg_order.csv`",
        bg=f"**/background_resize_224/{{file:{_PICTURE}}}",
        fg_bg=r"**/fg_bg/{split:train|test}/{n:\d+}.*",
        mask=r"**/mask/{split:train|test}/{n:\d+}.*",
        depth=r"**/depth/{split:train|test}/{n:\d+}.*",
        background=InOrder(Blocks(20, first=0, base=0, count=100), "**/bg_order.csv"),
        note="masks from n = 200000 on are those of the other orientation: check them",
    ),
    Layout(
        "U2",
        "`fg_bg_images/{n}`, `mask/bw_{n}`: as U, in an order of its own, which `bg_order.csv` must give",
        bg=(
            f"**/background_resize_224/{{file:{_PICTURE}}}",
            f"**/{{:bg|bg_images|background}}/{{file:{_PICTURE}}}",
        ),
        fg_bg=r"**/fg_bg_images/{n:\d+}.*",
        mask=r"**/mask/bw_{n:\d+}.*",
        background=InOrder(Blocks(20, first=0, base=0, count=100), "**/bg_order.csv"),
        note="depth_bw/{n} is numbered in another way than the frames, and is left out",
    ),
    Layout(
        "V",
        "`DepthMapDataSet.csv`, which names the archive of every file: ImageName, MaskName, Depthname, BGImageName",
        table=Table(
            ("DepthMapDataSet.csv", "DepthMapDataSetTrain.csv", "DepthMapDataSetTest.csv"),
            {"bg": "BGImageName", "fg_bg": "ImageName", "mask": "MaskName", "depth": "Depthname"},
            {"bg": "BGImageFName", "fg_bg": "BaseImageFName", "mask": "BaseImageFName", "depth": "DepthImageFName"},
        ),
        note="some of the depth archives hold coloured pictures (plasma), which are refused when they are read",
    ),
    Layout(
        "W",
        "`Overlaid.zip`, `overlaid masks.zip`, `Depths.zip` with `bg007_fg151_02`: the name begins with the background",
        bg=r"**/bg{b:\d+}.*",
        fg_bg=r"**/Overlaid/**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}.*",
        mask=r"**/overlaid masks/**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}.*",
        depth=r"**/Depths/**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}.*",
    ),
    Layout(
        "X",
        "names as in D, in folders of any name: the name begins with the background",
        bg=r"**/bg{b:\d+}.*",
        fg_bg=r"**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}.*",
        mask=r"**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}_mask.*",
        depth=r"**/bg{b:\d+}_fg{fg:\d+}_{n:\d+}_depth{:(?:_?map)?}.*",
    ),
)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _ALL}
"""Layouts by name, simpler ones first where the same files fit several."""

__all__ = ["LAYOUTS"]
