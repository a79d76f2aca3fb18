"""Buffers that a forward pass cannot change, not even one of a module that writes them in evaluation mode."""

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

# Their layers write no buffer in evaluation mode; those of others might.
_KNOWN = ("torch.nn.", "torch.jit.", "torchvision.", "timm.", "segmentation_models_pytorch.")
_HANDLES, _ORIGINALS = "_still_buffers_handles", "_still_buffers_originals"


def hold_buffers(branch: nn.Module) -> None:
    """From now on every foreign module below ``branch`` that owns buffers works on copies of them.

    A running mean that moves in evaluation mode too, or an observer of quantisation, thus starts each forward pass
    from the same values. Layers of torch, torchvision, timm and segmentation-models-pytorch keep their buffers still
    in evaluation mode by themselves, and are left alone. Doing it again changes nothing.

    >>> class Counter(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.register_buffer("calls", torch.tensor(0))
    ...     def forward(self, x):
    ...         self.calls += 1
    ...         return x + self.calls
    >>> import torch
    >>> counter = Counter()
    >>> hold_buffers(counter)
    >>> [int(counter(torch.tensor(0))) for _ in range(3)], int(counter.calls)
    ([1, 1, 1], 0)
    """
    for module in branch.modules():
        if not _is_known(module) and module._buffers and _HANDLES not in module.__dict__:
            handles = (
                module.register_forward_pre_hook(_lend_copies, prepend=True),
                module.register_forward_hook(_put_originals_back, always_call=True),
            )
            module.__dict__[_HANDLES] = handles


def release_buffers(branch: nn.Module) -> None:
    """Undoes `hold_buffers`."""
    for module in branch.modules():
        handles: tuple[RemovableHandle, ...] = module.__dict__.pop(_HANDLES, ())
        for handle in handles:
            handle.remove()


def _is_known(module: nn.Module) -> bool:
    return type(module).__module__.startswith(_KNOWN)


# Copies come in before the pass and go after it, instead of old values being written back: the originals are never
# written to, so that what autograd saved of them stays valid, and graphs of torch.compile and torch.export stay whole.
def _lend_copies(module: nn.Module, _: object) -> None:
    originals: dict[str, Tensor | None] = dict(module._buffers)
    module.__dict__[_ORIGINALS] = originals
    for name, buffer in originals.items():
        module._buffers[name] = None if buffer is None else buffer.clone()


def _put_originals_back(module: nn.Module, _: object, __: object) -> None:
    originals: dict[str, Tensor | None] = module.__dict__.pop(_ORIGINALS, {})
    for name, buffer in originals.items():
        module._buffers[name] = buffer


__all__ = ["hold_buffers", "release_buffers"]
