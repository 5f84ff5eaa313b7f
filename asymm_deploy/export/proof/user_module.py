"""A module that a user wrote: its arguments, one run of it, and what to change where it fails."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export.proof import module_outputs
from asymm_deploy.export.proof.engine_words import NO_MEMORY, engine_words
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.source import CallableModule, in_one_line, is_ctrl_c

if TYPE_CHECKING:
    import torch

_MOST_GUESSES = 16
"""How many sets of inputs are tried as integers, after a run with floating-point ones failed."""

_EXITS = "it ends the program with exit"

_SAME = 1e-5
"""Two runs agree up to this share of the largest value: threads may add in another order."""


class UserModule:
    """A module together with the names of its inputs, which say how they are handed over.

    Where one of the names is a parameter of forward, all inputs go by keyword. Else the names are
    labels, and the inputs go in their order.
    """

    def __init__(self, module: torch.nn.Module, names: Sequence[str]) -> None:
        """Raise UsageError for a name that is no parameter of forward where another one is."""
        self.module = _unwrapped(module)
        self._names = tuple(names)
        self.by_keyword = _by_keyword(self.module, self._names)

    def bound(self, tensors: Sequence[torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the keyword arguments that hand over ``tensors``, in order."""
        if self.by_keyword:
            return (), dict(zip(self._names, tensors, strict=True))
        return tuple(tensors), {}

    def call(self, tensors: Sequence[torch.Tensor]) -> object:
        """Return what the module returns; what it prints goes to stderr, and it may change inputs.

        Attention is computed step by step, as it is exported, and not by torch's fast path.
        """
        arguments, keywords = self.bound(tensors)
        with prepared_for_user_code():
            return self.module(*arguments, **keywords)

    def arrays(self, arrays: Arrays) -> list[Array]:
        """Return the tensors among the outputs for the inputs ``arrays``, which stay as they are.

        Raises UsageError if there are none, or one that can't be an array of numbers.
        """
        return module_outputs.as_arrays(self.outputs(arrays))

    def outputs(self, arrays: Arrays) -> list[module_outputs.Output]:
        """Return everything that the module gives for ``arrays``, laid flat."""
        import torch

        with torch.no_grad():
            return module_outputs.laid_flat(self.call(self.tensors(arrays)))

    def tensors(self, arrays: Arrays) -> list[torch.Tensor]:
        """Return copies of ``arrays`` as tensors, in the order of the inputs."""
        import torch

        return [torch.from_numpy(np.array(arrays[name], order="C")) for name in self._names]

    def complexity(self, arrays: Arrays) -> Complexity:
        """Return the module's cost on ``arrays``, on which it runs; uncounted if counting fails."""
        from asymm_deploy.models.complexity import count

        arguments, keywords = self.bound(self.tensors(arrays))
        try:
            with prepared_for_user_code():
                return count(self.module, *arguments, **keywords)
        except UsageError as error:
            params = sum(parameter.numel() for parameter in self.module.parameters())
            return Complexity((), params, (f"the whole module ({error.what})",))


@contextlib.contextmanager
def prepared_for_user_code() -> Iterator[None]:
    """Send what is printed to stderr, and turn off torch's fast path for attention.

    The fast path is one operator of its own, which torch.onnx can't express. What torch.compile
    wraps inside the module runs as it was written. An exit becomes a RuntimeError.
    """
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    leave = os._exit
    torch.backends.mha.set_fastpath_enabled(False)
    os._exit = _exit_as_usual
    try:
        here = contextlib.chdir(Path.cwd())  # whatever folder the code goes to
        with contextlib.redirect_stdout(sys.stderr), _uncompiled(), here:
            yield
    except SystemExit as error:
        raise RuntimeError(f"{_EXITS}({error.code})") from error
    except BaseException as error:
        if isinstance(error, Exception) or is_ctrl_c(error):
            raise
        raise RuntimeError(f"it raises {in_one_line(error)}") from error
    finally:
        os._exit = leave
        torch.backends.mha.set_fastpath_enabled(fast)


def _exit_as_usual(status: int) -> NoReturn:
    raise SystemExit(status)


@contextlib.contextmanager
def _uncompiled() -> Iterator[None]:
    """Let functions and layers that torch.compile has wrapped run without it."""
    import torch

    if "torch._dynamo" not in sys.modules:  # nothing is wrapped, and importing it takes seconds
        yield
        return
    stance: Any = torch.compiler.set_stance
    with stance("force_eager"):
        yield


def two_runs_differ(module: torch.nn.Module, arrays: Arrays) -> bool:
    """Tell whether ``module`` gives other values on a second run with the same ``arrays``.

    ``arrays`` are in the order of the module's inputs. Dropout that is left on and noise drawn in
    forward do this; nothing can be proven equal to such a module.
    """
    user = UserModule(module, list(arrays))
    first, second = user.arrays(arrays), user.arrays(arrays)
    return len(first) != len(second) or any(
        not _same(one, other) for one, other in zip(first, second, strict=True)
    )


def typed_inputs(request: ExportRequest, module: torch.nn.Module) -> tuple[TensorSpec, ...]:
    """Return the inputs of ``module``, those without a given type in the module's own precision.

    That is float16 or float64 if all its floating-point parameters are. Raises UsageError for a
    module that is in bfloat16, or that has no values.
    """
    import torch

    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise UsageError(
            f"the parameters of {request.text} are on the device meta, where they have no values",
            "build the module on the CPU: without torch.device('meta')",
        )
    kinds = {parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()}
    if kinds == {torch.bfloat16}:
        raise UsageError(
            f"the parameters of {request.text} are in bfloat16, and MNN has no such inputs",
            "return the module in single precision, as `module.float()` gives it",
        )
    own = {torch.float16: "float16", torch.float64: "float64"}
    dtype = own.get(kinds.pop()) if len(kinds) == 1 else None
    specs = request.module_inputs()
    if dtype is None:
        return specs
    typed = [shape.dtype is not None for shape in _given(request)] or [False] * len(specs)
    return tuple(
        spec if has or spec.dtype != "float32" else TensorSpec(spec.name, spec.shape, dtype)
        for spec, has in zip(specs, typed, strict=True)
    )


def failed_run(
    request: ExportRequest,
    module: torch.nn.Module,
    specs: Sequence[TensorSpec],
    error: BaseException,
) -> UsageError:
    """Return what to tell of a module that raised ``error`` on inputs like ``specs``.

    Where it takes integers instead, which is tried with ids of 0, the hint has the options to type.
    """
    shapes = "; ".join(_with_dtype(spec.shape, spec.dtype) for spec in specs)
    what = f"{request.text} fails on inputs of shape {shapes}: {engine_words(error)}"
    if NO_MEMORY in what:
        return UsageError(
            what, "give a smaller --input-shape, or let forward make a smaller tensor"
        )
    integers = _inputs_as_integers(module, specs, _given(request))
    if integers is not None:
        options = " ".join(f"--input-shape {shape.text}" for shape in integers)
        return UsageError(what, f"it takes integers there: give {options}")
    if _EXITS in what:
        return UsageError(what, "let forward return its outputs, and leave exiting to the caller")
    if not _signature(module):
        return UsageError(
            what,
            "forward takes no arguments: give it one that its outputs depend on, as there is "
            "nothing else to compare",
        )
    names = ", ".join(parameters_of(module))
    return UsageError(
        what,
        "give the shapes that it takes with --input-shape, one for each argument in order"
        + (f" ({names})" if names else "")
        + "; where one is a list or a dictionary, put a module around it that takes tensors",
    )


def _given(request: ExportRequest) -> tuple[InputShape, ...]:
    return request.source.input_shapes if isinstance(request.source, CallableModule) else ()


def parameters_of(module: torch.nn.Module) -> list[str]:
    """Return the names of forward's parameters, those that gather others left out."""
    return [
        parameter.name
        for parameter in _signature(module)
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _by_keyword(module: torch.nn.Module, names: Sequence[str]) -> bool:
    parameters = _signature(module)
    keywords = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    gathers = any(p.kind == p.VAR_KEYWORD for p in parameters)
    # Where the user gave none, an input is called after its position.
    chosen = [n for i, n in enumerate(names) if n not in ("input", f"input_{i}")]
    known = {parameter.name for parameter in keywords}
    if _stand_in_order(names, parameters):
        return False
    if not known & set(chosen):
        needed = {p.name for p in parameters if p.default is p.empty} - {
            p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }
        return gathers and bool(chosen) and len(chosen) == len(names) and not needed
    wrong = [name for name in names if name not in known]
    if wrong and not (gathers and set(wrong) <= set(chosen)):
        raise UsageError(
            f"forward of {type(module).__name__} has no argument {wrong[0]}",
            f"its arguments are: {', '.join(parameters_of(module))}; where one is named with "
            "--input-shape NAME=SHAPE, all are",
        )
    return True


def _stand_in_order(names: Sequence[str], parameters: Sequence[inspect.Parameter]) -> bool:
    """Tell whether by position means the same; what ``*args`` gathers may have any name."""
    kinds = [parameter.kind for parameter in parameters]
    starred = inspect.Parameter.VAR_POSITIONAL
    count = min(len(names), kinds.index(starred) if starred in kinds else len(names))
    before = [p.name for p in parameters[:count] if p.kind == p.POSITIONAL_OR_KEYWORD]
    return bool(before) and before == [*names[:count]]


def _signature(module: torch.nn.Module) -> list[inspect.Parameter]:
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        arguments = getattr(module.forward, "schema", None)
        names = [argument.name for argument in arguments.arguments[1:]] if arguments else []
        return [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    try:
        return list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return []


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """Return what torch.compile or DataParallel wrapped: neither changes what is computed."""
    import torch

    while True:
        inner = getattr(module, "_orig_mod", None)
        if isinstance(module, torch.nn.DataParallel):
            inner = module.module
        if not isinstance(inner, torch.nn.Module):
            return module
        module = inner


def _inputs_as_integers(
    module: torch.nn.Module, specs: Sequence[TensorSpec], given: Sequence[InputShape]
) -> list[InputShape] | None:
    """Return shapes with int64 for as few inputs as let the module run, or None."""
    if len(given) != len(specs):
        return None
    free = [i for i, s in enumerate(specs) if s.dtype == "float32" and given[i].dtype is None]
    choices = [c for size in range(1, len(free) + 1) for c in combinations(free, size)]
    for chosen in choices[:_MOST_GUESSES]:
        arrays = {
            spec.name: np.zeros(spec.shape, "int64" if i in chosen else spec.dtype)
            for i, spec in enumerate(specs)
        }
        with contextlib.suppress(Exception):
            UserModule(module, list(arrays)).outputs(arrays)
            return [
                replace(shape, dtype="int64") if i in chosen else shape
                for i, shape in enumerate(given)
            ]
    return None


def _with_dtype(shape: Sequence[int], dtype: str) -> str:
    text = ",".join(map(str, shape)) or "()"
    return text if dtype == "float32" else f"{text} ({dtype})"


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    finite = np.abs(one[np.isfinite(one)])
    limit = _SAME * float(finite.max()) if finite.size else 0.0
    return bool(np.allclose(one, other, rtol=0.0, atol=limit, equal_nan=True))
