"""The device itself: tensors that wrap tensors of the CPU, and what happens to an operation."""

import functools
from collections import Counter
from contextlib import contextmanager

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from sim_device import autocast
from sim_device.recording import SimGraphs
from sim_device.tally import Tally, name_of, why_waiting


class _Backend(backend_registration._DummyBackendModule):
    """What PyTorch asks a kind of device: one of its kind, its random numbers unused."""

    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]

    def get_rng_state(self, *_):
        return torch.zeros(1, dtype=torch.uint8)

    def set_rng_state(self, *_):
        pass


backend_registration._setup_privateuseone_for_python_backend("sim", _Backend())
SIM = torch.device("sim", 0)
_COPIES = ("copy_", "_to_copy", "_copy_from")
_IN_HOST_MEMORY = ("is_pinned", "_pin_memory")
# The storages in page-locked memory.
_PINNED = WeakIdKeyDictionary()


class MixedDevicesError(RuntimeError):
    """What a GPU refuses, too."""


class SimTensor(torch.Tensor):
    """A tensor on the device; `raw` is the one of the CPU that stands for it."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, raw):
        return torch.Tensor._make_wrapper_subclass(
            cls, raw.size(), strides=raw.stride(), storage_offset=raw.storage_offset(),
            dtype=raw.dtype, device=SIM, requires_grad=False,
        )  # fmt: skip

    def __init__(self, raw):
        self.raw = raw

    def __repr__(self):
        return f"SimTensor({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(_Idle.tally, func, args, kwargs or {})

    def tolist(self):
        """Through the host, as with any device."""
        return self.cpu().tolist()

    def __deepcopy__(self, memo):
        with torch.no_grad():
            copy = self.detach().clone()
        if isinstance(self, torch.nn.Parameter):
            copy = torch.nn.Parameter(copy, requires_grad=self.requires_grad)
        memo[id(self)] = copy.requires_grad_(self.requires_grad)
        return copy


class _Idle:
    """Where counts and recordings go: on autograd's own threads there is no mode, only tensors."""

    tally = Tally()
    tape = None


class Sim(TorchDispatchMode):
    """While it is on, `device="sim"` makes tensors of the simulated device."""

    @contextmanager
    def counting(self, *, places=False):
        """A tally of what is done meanwhile; with `places` also of where operations come from."""
        before, _Idle.tally = _Idle.tally, Tally(places=Counter() if places else None)
        try:
            yield _Idle.tally
        finally:
            _Idle.tally = before

    @property
    def graphs(self):
        """What records work on the device."""
        return SimGraphs(_Idle)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if torch.is_inference_mode_enabled():
            # There operations that are made of others come as they were called.
            with torch.inference_mode(False), torch.no_grad(), self:
                result = func.decompose(*args, **kwargs or {})
            if result is not NotImplemented:
                return result
        return _run(_Idle.tally, func, args, kwargs or {})


def _run(tally, func, args, kwargs):
    if torch.is_inference_mode_enabled():
        # A wrapper that is made there could not be a view of one that was not.
        with torch.inference_mode(False):
            return _run(tally, func, args, kwargs)
    name = name_of(func)
    if name in _IN_HOST_MEMORY and not isinstance(args[0], SimTensor):
        return _pinned(name, args[0])
    given = []
    raw_args = _mapped(functools.partial(_unwrapped, given), args)
    raw_kwargs = {key: _mapped(functools.partial(_unwrapped, given), it)
                  for key, it in kwargs.items() if key != "pin_memory"}  # fmt: skip
    ours = [tensor for tensor in given if isinstance(tensor, SimTensor)]
    theirs = [tensor for tensor in given if not isinstance(tensor, SimTensor)]
    wanted = None if kwargs.get("device") is None else torch.device(kwargs["device"]).type
    if name in _COPIES:
        _count_copy(tally, name, args, kwargs, wanted)
    elif ours:
        _require_one_device(tally, func, name, theirs)
        why = why_waiting(func, args, kwargs)
        if why is not None:
            _wait(tally, why)
    stays = wanted == "sim" or (bool(ours) and wanted is None)
    if name in ("_local_scalar_dense", "is_nonzero", "equal"):
        stays = False
    if name == "copy_":
        stays = isinstance(args[0], SimTensor)
    if _Idle.tape is not None and stays:
        result = _Idle.tape.run(func, raw_args, raw_kwargs)
    else:
        result = func(*raw_args, **raw_kwargs)
    if not stays:
        return result
    tally.operation(func)
    # What is changed in place stays the same object.
    same = {id(tensor.raw): tensor for tensor in ours}
    return _mapped(functools.partial(_wrapped, same), result)


def _mapped(function, value):
    """Of a tensor or a number, or of each in lists of them; faster than PyTorch's trees."""
    if isinstance(value, list | tuple):
        return type(value)([_mapped(function, each) for each in value])
    return function(value)


def _unwrapped(given, value):
    if isinstance(value, torch.Tensor):
        given.append(value)
        return value.raw if isinstance(value, SimTensor) else value
    if isinstance(value, torch.device) and value.type == "sim":
        return torch.device("cpu")
    return value


def _wrapped(same, value):
    if not isinstance(value, torch.Tensor):
        return value
    if id(value) in same:
        known = same[id(value)]
        assert known.shape == value.shape, "the simulated device cannot resize a tensor in place"
        return known
    return SimTensor(value)


def _wait(tally, why):
    if _Idle.tape is not None:
        _Idle.tape.refuse(f"a wait, {why}")
    tally.wait(why)


def _require_one_device(tally, func, name, theirs):
    """A number may come from the host with any operation, an index or a mask with a copy."""
    arrays = [tensor for tensor in theirs if tensor.dim()]
    if arrays and name in ("index", "index_put", "index_put_"):
        _wait(tally, "index from the host")
    elif arrays:
        raise MixedDevicesError(f"{func} mixes devices: a host tensor {tuple(arrays[0].shape)}")


def _count_copy(tally, name, args, kwargs, wanted):
    """Copies between host and device wait for it, unless asynchronous and from page-locked memory.

    A copy to the host that does not wait is one whose result nobody may look at yet.
    """
    if name == "copy_":
        target, source = (isinstance(tensor, SimTensor) for tensor in args[:2])
        non_blocking = kwargs.get("non_blocking") or (len(args) > 2 and args[2])
        host = args[0] if source else args[1]
    else:
        source = isinstance(args[0], SimTensor)
        target = source if wanted is None else wanted == "sim"
        non_blocking = kwargs.get("non_blocking")
        host = args[0]
    if source == target:
        return
    if _Idle.tape is not None:
        _Idle.tape.refuse("a copy from or to the host")
    pinned = not isinstance(host, SimTensor) and _is_pinned(host)
    if not (pinned and non_blocking):
        _wait(tally, "copy to the host" if source else "copy from memory that is not page-locked")


def _pinned(name, tensor):
    if name == "is_pinned":
        return _is_pinned(tensor)
    copy = tensor.clone()
    _PINNED[copy.untyped_storage()] = True
    return copy


def _is_pinned(tensor):
    return tensor.untyped_storage() in _PINNED


_LIBRARY = torch.library.Library("aten", "IMPL")


def _empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None):
    return SimTensor(torch.empty_strided(size, stride, dtype=dtype))


def _empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
    order = memory_format or torch.contiguous_format
    return SimTensor(torch.empty(size, dtype=dtype, memory_format=order))


def _copy_from(source, target, non_blocking=False):
    """`torch.tensor(..., device=...)` does not pass by a mode: it copies from ordinary memory."""
    if isinstance(source, SimTensor) != isinstance(target, SimTensor):
        _Idle.tally.wait("copy from memory that is not page-locked")
    raw = target.raw if isinstance(target, SimTensor) else target
    raw.copy_(source.raw if isinstance(source, SimTensor) else source)
    return target


_LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
_LIBRARY.impl("empty.memory_format", _empty, "PrivateUse1")
_LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")
autocast.register(_LIBRARY)
