"""Figures of a distributed validation: those of all pictures, however unevenly the processes share them."""

import pytest
import torch

from fgbgnet.metrics import DepthMetrics, MaskMetrics

SHARES = ((0, 1, 2, 3, 4), (5,))
"""Pictures of each process."""
BATCH = 2


def pictures():
    """Six pictures, of which no two have as many valid pixels; the last has no foreground."""
    generator = torch.Generator().manual_seed(3)
    shape = (6, 1, 12, 10)
    mask = (torch.rand(shape, generator=generator) > 0.6).float()
    mask[-1] = 0
    depth = 1 + torch.rand(shape, generator=generator)
    share = torch.linspace(0.1, 0.9, 6).view(-1, 1, 1, 1)
    return {
        "logits": torch.randn(shape, generator=generator) + mask,
        "mask": mask,
        "predicted": depth * (0.8 + 0.4 * torch.rand(shape, generator=generator)),
        "depth": depth,
        "valid": torch.rand(shape, generator=generator) < share,
    }


def figures(chosen):
    """All figures of some pictures, in two epochs: what is synchronised must not stay in the sums."""
    layers = pictures()
    mask, image, pixel = MaskMetrics(), DepthMetrics(aggregation="image"), DepthMetrics(alignment="median")
    results = []
    for _ in range(2):
        for start in range(0, len(chosen), BATCH):
            b = {name: layer[list(chosen[start : start + BATCH])] for name, layer in layers.items()}
            mask.update(b["logits"], b["mask"], b["valid"])
            for metric in (image, pixel):
                metric.update(b["predicted"], b["depth"], b["valid"], b["mask"])
        results.append([metric.compute() for metric in (mask, image, pixel)])
        local = [metric.statistics.clone() for metric in (mask, image, pixel)]
        for metric in (mask, image, pixel):
            metric.reset()
    return results, local


def work(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        torch.save(figures(SHARES[rank]), f"{folder}/{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")
def test_two_processes_with_uneven_shares_have_the_figures_of_all_pictures(tmp_path):
    torch.multiprocessing.spawn(work, args=(str(tmp_path),), nprocs=2)
    expected, _ = figures(SHARES[0] + SHARES[1])
    for rank in (0, 1):
        found, local = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, expected, equal_nan=True)
        # After the figures each process holds its own sums again, not those of all.
        for before, after in zip(figures(SHARES[rank])[1], local, strict=True):
            torch.testing.assert_close(after, before)
