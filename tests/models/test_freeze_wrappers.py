"""Freezing meets what others do to a model: compilers, averages, conversions, loading, data parallelism."""

import copy
import os
import shutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fgbgnet.errors import BranchError
from fgbgnet.models import freeze_branch, frozen, frozen_branches, unfreeze_branch
from tests.models.freezing import adamw, assert_still, both, carelessly, completely, movement, sgd, snapshot, step
from tests.models.restless import Wanderer, restless

COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
LENGTHS = [pytest.param(10, id="10 steps"), pytest.param(1000, id="1000 steps", marks=pytest.mark.slow)]


def equal(one, other):
    return all(torch.equal(a, b) for kind in one for a, b in zip(one[kind], other[kind], strict=True))


@pytest.fixture
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("steps", LENGTHS)
def test_the_same_compiled_module_goes_on_after_freezing_and_after_unfreezing(steps):
    """Graphs without breaks, made before freezing, and made again where freezing asks for it."""
    model = restless()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True).train()
    optimizer = both(model.parameters())
    step(compiled, optimizer)
    freeze_branch(compiled, "shared", "mask")
    assert frozen_branches(compiled) == ("shared", "mask")
    before, depth = snapshot(model, ("shared", "mask")), snapshot(model, ("depth",))
    for _ in range(steps):
        step(compiled.train(), optimizer)
    assert equal(before, snapshot(model, ("shared", "mask")))
    assert not equal({"parameters": depth["parameters"]}, snapshot(model, ("depth",)))
    unfreeze_branch(compiled, "shared", "mask")
    step(compiled, optimizer)
    after = snapshot(model, ("shared", "mask"))
    assert not any(torch.equal(a, b) for a, b in zip(before["outputs"], after["outputs"], strict=True))
    wanderers = [module for module in model.mask_branch.modules() if isinstance(module, Wanderer)]
    assert all(module.calls > 1 for module in wanderers)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_and_carelessly_frozen_moves():
    def wrap(model):
        return torch.compile(model, backend="aot_eager")

    moved = movement(carelessly, ("shared", "mask"), sgd, 3, wrap=wrap)
    assert min(moved["parameters"], moved["buffers"], moved["outputs"]) > 0


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_by_inductor():
    assert_still(movement(completely, ("shared", "mask"), both, 1000, wrap=torch.compile))


@pytest.mark.usefixtures("fresh_compiler")
def test_exported_programs_of_a_frozen_model_write_no_buffer():
    model = freeze_branch(restless(), "shared", "mask", "depth").eval()
    pictures = torch.rand(2, 2, 3, 16, 16)
    program = torch.export.export(model, tuple(pictures))
    assert not program.graph_signature.buffers_to_mutate
    with torch.no_grad():
        assert torch.equal(program.module()(*pictures)["mask"], model(*pictures)["mask"])


@pytest.mark.parametrize("average", [{}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9), "use_buffers": True}], ids=str)
def test_averaged_copies(average):
    """The average of equal values is that value; and the copy is frozen like its original."""
    model = freeze_branch(restless(), "shared", "mask")
    averaged = AveragedModel(model, **average)
    optimizer = adamw(model.parameters())
    before = snapshot(model, ("shared", "mask"))
    depth = snapshot(model, ("depth",))
    for _ in range(20):
        step(model.train(), optimizer)
        averaged.update_parameters(model)
    assert frozen_branches(averaged.module) == ("shared", "mask")
    assert equal(before, snapshot(averaged.module.train(), ("shared", "mask")))
    assert not equal(depth, snapshot(averaged.module, ("depth",)))


def test_copies_hold_their_own_buffers():
    model = freeze_branch(restless(), "mask")
    twin = unfreeze_branch(copy.deepcopy(model), "mask")
    pictures = torch.rand(2, 2, 3, 16, 16)
    before, own = snapshot(model, ("mask",)), snapshot(twin, ("mask",))
    for network in (model, twin):
        network.train()(*pictures)
    assert equal(before, snapshot(model, ("mask",)))
    assert not equal(own, snapshot(twin, ("mask",)))


def test_synchronised_batch_norm():
    """Conversion puts new modules in the place of the old ones, which were frozen."""
    model = freeze_branch(restless(), "shared", "mask")
    before = snapshot(model, ("shared", "mask"))
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    layers = [module for module in converted.mask_branch.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert layers
    assert not any(layer.training for layer in layers)
    assert not any(layer.training for layer in converted.train().mask_branch.modules())
    assert equal(before, snapshot(converted, ("shared", "mask")))
    unfreeze_branch(converted, "mask")
    assert all(layer.training and layer.weight.requires_grad for layer in layers)


@pytest.mark.parametrize("assign", [False, True])
def test_loading_into_a_frozen_model(assign):
    """What is loaded is taken over, and stays from then on."""
    model, other = freeze_branch(restless(), "shared", "mask").train(), restless(seed=1)
    step(other, sgd(other.parameters()))
    state = copy.deepcopy(other.state_dict())
    model.load_state_dict(state, assign=assign)
    assert frozen_branches(model) == ("shared", "mask")
    loaded = snapshot(model, ("shared", "mask"))
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items() if "depth" not in key)
    optimizer = sgd(model.parameters())
    for _ in range(3):
        step(model.train(), optimizer)
    assert equal(loaded, snapshot(model, ("shared", "mask")))


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("convert", [nn.Module.half, nn.Module.double, lambda m: m.to(torch.bfloat16)])
def test_other_types(convert, swap):
    """Another type keeps what is frozen, also where torch makes new parameters for it."""
    model = freeze_branch(restless(), "mask")
    flags = [parameter.requires_grad for parameter in model.parameters()]
    torch.__future__.set_overwrite_module_params_on_conversion(swap)
    try:
        convert(model)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert model.mask_branch.head.convolution.weight.dtype != torch.float32
    assert not any(module.training for module in model.train().mask_branch.modules())
    unfreeze_branch(model, "mask")
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_half_precision_goes_on_standing_still():
    model = freeze_branch(restless(), "shared", "mask").to(torch.bfloat16).train()
    optimizer = adamw(model.parameters())
    before = snapshot(model, ("shared", "mask"))
    for _ in range(3):
        step(model.train(), optimizer)
    assert equal(before, snapshot(model, ("shared", "mask")))


def test_data_parallel_is_looked_through():
    model = restless()
    wrapper = freeze_branch(nn.DataParallel(model), "mask")
    assert isinstance(wrapper, nn.DataParallel)
    assert frozen_branches(wrapper) == frozen_branches(model) == ("mask",)
    with frozen(wrapper, "depth"):
        assert frozen_branches(model) == ("mask", "depth")
    assert frozen_branches(unfreeze_branch(wrapper, "mask")) == ()


@pytest.fixture
def process_group(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize(
    ("change", "around"),
    [(freeze_branch, lambda model: model), (unfreeze_branch, nn.Sequential)],
    ids=["freeze the model", "unfreeze a part of what is wrapped"],
)
def test_freezing_after_ddp_says_what_to_do(change, around):
    model = restless()
    wrapper = nn.parallel.DistributedDataParallel(around(model))
    with pytest.raises(BranchError, match="freeze or unfreeze the bare model first and wrap it then"):
        change(model, "mask")
    assert frozen_branches(model) == ()
    assert all(parameter.requires_grad for parameter in model.parameters())
    del wrapper
    assert frozen_branches(freeze_branch(model, "mask")) == ("mask",)


@pytest.mark.usefixtures("process_group")
def test_the_wrapper_itself_and_models_that_nobody_wrapped():
    wrapper = nn.parallel.DistributedDataParallel(freeze_branch(restless(), "depth"))
    for given in (wrapper, torch.compile(wrapper)):
        assert frozen_branches(given) == ("depth",)
        with pytest.raises(BranchError, match="delete the wrapper"):
            freeze_branch(given, "mask")
    assert frozen_branches(freeze_branch(restless(), "mask")) == ("mask",)


@pytest.mark.usefixtures("process_group")
def test_a_block_that_ends_after_wrapping_gives_back_its_own_error():
    def fail_inside(model):
        with frozen(model, "mask"):
            nn.parallel.DistributedDataParallel(model)
            raise ZeroDivisionError

    model = restless()
    with pytest.raises(ZeroDivisionError):
        fail_inside(model)
    assert frozen_branches(model) == ()


def fully_shard(module):
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    if not hasattr(fsdp, "fully_shard"):
        pytest.skip("torch.distributed.fsdp.fully_shard came with torch 2.6")
    return fsdp.fully_shard(module, mesh=torch.distributed.init_device_mesh("cpu", (1,)))


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("part", [lambda model: model, lambda model: model.depth_branch], ids=["all", "a part"])
def test_freezing_after_sharding_says_what_to_do(part):
    model = restless()
    fully_shard(part(model))
    with pytest.raises(BranchError, match="sharded by FSDP"):
        freeze_branch(model, "mask")
    assert frozen_branches(model) == ()


@pytest.mark.usefixtures("process_group")
def test_freezing_before_sharding_holds():
    model = fully_shard(freeze_branch(restless(), "shared", "mask"))
    optimizer = adamw(model.parameters())

    def state():
        return {k: (v.full_tensor() if hasattr(v, "full_tensor") else v).clone() for k, v in model.state_dict().items()}

    before = state()
    for _ in range(3):
        step(model.train(), optimizer)
    after = state()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items() if not key.startswith("depth_branch"))
    assert not torch.equal(*(values["depth_branch.head.convolution.weight"] for values in (before, after)))


def test_a_frozen_branch_that_is_not_asked_for_does_not_run():
    model = freeze_branch(restless(), "mask").train()
    calls = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    model(*torch.rand(2, 2, 3, 16, 16), tasks="depth")
    assert not any(name.startswith("mask_branch") for name in calls)
    assert any(name.startswith("depth_branch") for name in calls)
    calls.clear()
    model(*torch.rand(2, 2, 3, 16, 16))
    assert any(name.startswith("mask_branch") for name in calls)


def test_no_graph_is_kept_of_what_is_frozen():
    """Nothing that autograd saves for the backward pass comes from the frozen trunk, or from a frozen task."""
    pictures = torch.rand(2, 2, 3, 16, 16)

    def kept(model, tasks):
        total = []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: total.append(tensor.numel()), lambda _: None):
            outputs = model.train()(*pictures, tasks=tasks)
        return sum(total), outputs

    model = restless()
    whole, _ = kept(model, ("depth",))
    freeze_branch(model, "shared", "mask")
    features = model.encode(*pictures)
    assert not any(level.requires_grad for level in (*features.pair.levels, *features.pair.carry))
    alone, _ = kept(model, ("depth",))
    both, outputs = kept(model, ("mask", "depth"))
    assert not outputs["mask"].requires_grad
    assert alone == both
    branch, _ = kept_of(model.depth_branch, features)
    assert branch <= alone < whole


def kept_of(branch, features):
    total = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: total.append(tensor.numel()), lambda _: None):
        outputs = branch(features)
    return sum(total), outputs


def test_cross_task_depth_reads_the_mask_but_teaches_it_nothing():
    """The gate is detached, but it is the mask's: one that learns moves the depths of a frozen branch."""
    model = restless(cross_task=True)
    optimizer = adamw(model.parameters())
    pictures = torch.rand(2, 2, 3, 16, 16)
    freeze_branch(model, "shared", "depth").train()
    before = snapshot(model, ("shared", "depth"))
    for _ in range(5):
        optimizer.zero_grad()
        F.mse_loss(model(*pictures)["mask"], torch.rand(2, 1, 16, 16)).backward()
        optimizer.step()
    after = snapshot(model, ("shared", "depth"))
    assert equal({kind: before[kind] for kind in ("parameters", "buffers")}, after)
    assert not torch.equal(before["outputs"][0], after["outputs"][0])
