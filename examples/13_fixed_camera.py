"""
A fixed camera
==============

A video of a camera that does not move: its background is the median of the frames, or a picture of the empty scene;
the background's features are computed once, frames are read by a thread, and the foreground is tinted in a new video.

With ``--source 0`` the frames come from a webcam, with ``--source clip.mp4`` from a file; with ``--model runs/x`` your
own model looks at them. Leave the picture while the background is taken, or keep moving.
"""

import argparse
import itertools
import os
import tempfile
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import DualHeadUNet, DualTaskLoss, SceneDataset, load_model, make_loader, train_transform
from fgbgnet.inference import FrameReader, FrameWriter, median_background
from fgbgnet.plotting import Panel, mask_overlay, tile

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES, SIZE, EPOCHS = (32, 64, 1) if SHORT else (800, 64, 6)

parser = argparse.ArgumentParser()
parser.add_argument("--source", help="a video, a folder of frames, the URL of a stream, or the number of a camera")
parser.add_argument("--model", help="folder of a siamese model")
parser.add_argument("--out", help="the video to write")
options = parser.parse_args()

# %%
# A model that sees the two pictures apart
# ----------------------------------------
# Only a siamese network can keep what it knows of the background.

torch.manual_seed(0)
if options.model:
    model = load_model(options.model)
else:
    model = DualHeadUNet("unet_small", fusion="siamese", merge="abs_diff", input_size=SIZE)
    model.set_priors(foreground=0.1, depth=3.0)
    rooms = SceneDataset(SCENES, size=SIZE, scenes_per_background=4, transform=train_transform(SIZE))
    loader = make_loader(rooms, batch_size=16, train=True)
    loss_function, optimizer = DualTaskLoss(), torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=EPOCHS * len(loader))
    for epoch in range(EPOCHS):
        rooms.set_epoch(epoch)
        for batch in loader:
            losses = loss_function(model(batch["bg"], batch["fg_bg"]), batch)
            optimizer.zero_grad()
            losses["total"].backward()
            optimizer.step()
            schedule.step()
model.eval()

# %%
# A little video
# --------------
# Frames that all show one background, and something else in front of it each time.

scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
source = int(options.source) if options.source and options.source.isdecimal() else options.source
if source is None:
    source = folder / "camera.avi"
    frames = SceneDataset(24, size=(216, 288), scenes_per_background=24, seed=2)
    with FrameWriter(source, fps=4) as video:
        for sample in frames:
            video.write((sample["fg_bg"] * 255).round().byte())

# %%
# Its background
# --------------
# The median of the first frames: what stands in front of a pixel in fewer than half of them leaves no trace.

with FrameReader(source) as reader:
    background = median_background(itertools.islice(reader, 100))

# %%
# Frame by frame
# --------------
# A thread reads ahead: of a file no frame is lost, of a webcam the newest one is taken. ``camera.predict`` gives what
# ``model.predict(background, frame)`` gives, without looking at the background again.

camera = model.fix_background(background)
panels = [Panel("median background", background.permute(1, 2, 0).numpy())]
with FrameReader(source) as reader, FrameWriter(options.out or folder / "tinted.avi", fps=reader.fps or 25) as video:
    try:
        for number, frame in enumerate(tqdm(reader, total=reader.announced, unit="frame", disable=None)):
            prediction = camera.predict(frame)
            tinted = mask_overlay(prediction.fg_bg, prediction.mask)
            video.write(tinted)
            if number % 7 == 3 and len(panels) < 4:
                panels.append(Panel(f"frame {number}", tinted))
    except KeyboardInterrupt:  # a webcam has no last frame; Ctrl-C ends it, and keeps the video
        pass
print(f"{video.count} frames, {reader.dropped} were left out")
tile(panels)
