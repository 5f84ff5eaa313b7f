"""An ONNX file: read it, list its inputs and outputs, run it in ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export.proof.engine_words import NO_MEMORY, engine_words
from asymm_deploy.export.reading.external_data import load_external_data
from asymm_deploy.export.reading.other_formats import refuse_other_formats
from asymm_deploy.files import opened_regular
from asymm_deploy.models.input_shape import InputShape, shape_text, too_large
from asymm_deploy.models.source import OnnxFile
from asymm_deploy.safe import first_words

_NO_NUMBERS_OF_MNN = ("bfloat16", "complex", "float8", "float4", "int4", "uint4", "int2", "uint2")


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read an .onnx file and its external data.

    A file that onnx.checker refuses, but ONNX Runtime runs, is valid. Raises UsageError if it can't
    be read or both refuse it, and for an input or output that is no tensor of numbers.
    """
    model = parsed_onnx(path)
    try:
        load_external_data(path, model)
    except OSError as error:
        raise _unreadable(path, error) from error
    except UsageError:
        raise
    except Exception as error:
        raise _not_valid(path, error) from error
    types = _types_if_valid(path, model)
    if not model.graph.output:
        raise UsageError(f"{path} has no outputs", "give a graph with at least one output")
    constants = {tensor.name for tensor in model.graph.initializer}
    for what, entries in (("input", model.graph.input), ("output", model.graph.output)):
        for entry in entries:
            if what == "output" or entry.name not in constants:
                _require_numbers(
                    path, f"{what} {entry.name}", types.get(entry.name) or _type(entry)
                )
    return model


def parsed_onnx(path: Path) -> onnx.ModelProto:
    """Return an .onnx file's content without its external data; raise UsageError as load_onnx."""
    try:
        with opened_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > onnx.checker.MAXIMUM_PROTOBUF:
                raise UsageError(
                    f"{path} has {size} bytes, and an ONNX file can't be larger than 2 GiB",
                    "save its weights beside it: "
                    "onnx.save(model, path, save_as_external_data=True)",
                )
            content = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # the type is protobuf's affair
        raise _not_valid(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"can't read {path}: {error.strerror or error}", "check the path and its permissions"
    )


def _types_if_valid(path: Path, model: onnx.ModelProto) -> dict[str, str]:
    """Return what is known of outputs beyond the file; raise UsageError if nothing takes it."""
    from asymm_deploy.engines.ort_session import OrtSession

    try:
        onnx.checker.check_model(model)
    except Exception:  # the type depends on what is wrong
        try:
            session = OrtSession(str(path), optimised=False)
        except EngineError as error:
            raise _not_valid(path, error.reason) from error
        return session.output_types
    return {}


def _not_valid(path: Path, reason: object) -> UsageError:
    """Return the failure of a file that nothing reads: what it is, or what is wrong with it."""
    try:
        refuse_other_formats(path, "graph")
    except UsageError as known:
        return known
    except OSError:
        pass  # it went away
    return UsageError(
        f"{path} is not a valid ONNX file: {first_line(reason)}",
        "it may be cut short or of another format; check that ONNX Runtime loads it",
    )


def _type(entry: onnx.ValueInfoProto) -> str:
    """Return the type of an input or output as ONNX Runtime writes it, or an empty string."""
    kind = entry.type.WhichOneof("value")
    if kind == "tensor_type":
        name = onnx.TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower()
        return "" if name == "undefined" else f"tensor({name})"
    return {"sequence_type": "seq", "map_type": "map", "optional_type": "optional"}.get(
        kind or "tensor_type", "" if kind is None else kind.removesuffix("_type")
    )


def _require_numbers(path: Path, what: str, kind: str) -> None:
    """Refuse what no probe can be made for, or no error computed of."""
    outer, _, inner = kind.rstrip(")").partition("(")
    side = what.partition(" ")[0]
    if not kind and side == "input":
        raise UsageError(f"{path}: {what} has no type", "give it one, float for example")
    if outer not in ("", "tensor"):
        word = {"seq": "a sequence", "optional": "optional", "map": "a map"}.get(outer, "sparse")
        instead = f"give a graph whose {side}s are tensors"
        if side == "output":
            instead = (
                "remove it from the graph's outputs; scikit-learn's models are converted without it"
                " by options={'zipmap': False}"
            )
        raise UsageError(f"{path}: {what} is {word}, and only tensors can be compared", instead)
    if inner == "string":
        raise UsageError(
            f"{path}: {what} is text, and text inputs and outputs can't be compared",
            "turn text into numbers before the graph, and give it those"
            if side == "input"
            else "remove it from the graph's outputs; the number that it stands for can stay",
        )
    if inner.startswith(_NO_NUMBERS_OF_MNN):
        raise UsageError(
            f"{path}: {what} is {inner}, which MNN doesn't have",
            f"let the {side} be float or int32, with a Cast in the graph",
        )


def graph_inputs(model: onnx.ModelProto, source: OnnxFile) -> tuple[TensorSpec, ...]:
    """Return the graph's inputs with fixed shapes; ``source`` gives those of dynamic inputs.

    A shape without a name belongs to the only input. Raises UsageError for a dynamic input without
    a shape, for a shape or type that contradicts the graph, and for a name that the graph doesn't
    have.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    entries = [entry for entry in model.graph.input if entry.name not in constants]
    if not entries:
        raise UsageError(
            f"{source.path} has no inputs",
            "give a graph with at least one input: it computes a constant",
        )
    names = [entry.name for entry in entries]
    example = f"{names[0]}={_example(entries[0])}"
    given = {shape.name: shape for shape in source.input_shapes}
    unknown = sorted(name for name in given if name and name not in names)
    if unknown:
        raise UsageError(
            f"{source.path} has no input {unknown[0]}",
            f"its inputs are: {', '.join(names) or 'none'}; {_of_one_model(source.path, example)}",
        )
    unnamed = given.get(None)
    if unnamed is not None and (len(entries) != 1 or len(source.input_shapes) != 1):
        raise UsageError(
            f"{source.path} has {len(entries)} inputs ({', '.join(names)}), and a shape without "
            "a name is for the only one",
            f"name each one: --input-shape {example}; {_of_one_model(source.path, example)}",
        )
    return tuple(_fixed(entry, source.path, given.get(entry.name, unnamed)) for entry in entries)


def graph_outputs(model: onnx.ModelProto, results: Sequence[Array]) -> tuple[TensorSpec, ...]:
    """Return the graph's outputs, with the shapes and types of one run's ``results``."""
    return tuple(
        TensorSpec(entry.name, tuple(result.shape), str(result.dtype))
        for entry, result in zip(model.graph.output, results, strict=True)
    )


def run_onnx(
    model: Path | bytes, samples: Sequence[Arrays], *, optimised: bool = True
) -> list[list[Array]]:
    """Run ONNX Runtime on the CPU over ``samples``; return outputs ``[sample][output]``.

    ``optimised=False`` turns its graph optimisations off, so that comparing a file with itself
    still means something. Raises ConversionError where it can't load or run the graph.
    """
    from asymm_deploy.engines.ort_session import OrtSession

    results = []
    try:
        session = OrtSession(str(model) if isinstance(model, Path) else model, optimised=optimised)
        for sample in samples:
            session.feed(sample)
            session.run()
            outputs = session.outputs()
            results.append([outputs[name] for name in session.output_names])
    except EngineError as error:
        raise cannot_run(error) from error
    return results


def cannot_run(error: EngineError) -> ConversionError:
    """Return the failure of a graph that ONNX Runtime refuses."""
    what = engine_words(error.reason)
    if NO_MEMORY in what:
        return ConversionError(
            f"ONNX Runtime can't run the graph: {what}",
            "give a smaller --input-shape where the graph leaves its axes open; where the size is "
            "a constant in the graph, export that again with a smaller one",
        )
    lacks_type = "NOT_IMPLEMENTED" in error.reason
    return ConversionError(
        f"ONNX Runtime can't run the graph: {what}",
        "it lacks that operator for the type in use: where that is double precision or bfloat16, "
        "give the graph in single precision (return module.float() from a callable, and cast "
        "nothing to bfloat16 in forward)"
        if lacks_type
        else "check that the file's operators are standard ones and that its input shape is right",
    )


def first_line(error: object) -> str:
    """Return the first line of a message that is not empty, at most 300 characters of it."""
    return first_words(error) or type(error).__name__


def _fixed(entry: onnx.ValueInfoProto, path: Path, given: InputShape | None) -> TensorSpec:
    tensor = entry.type.tensor_type
    if not entry.type.HasField("tensor_type"):
        raise UsageError(f"{path}: input {entry.name} is not a tensor", "give tensors as inputs")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    dims = _dims(entry)
    ranked = tensor.HasField("shape")
    own = f"{entry.name}={shape_text([max(dim, 1) for dim in dims])}:{dtype}"
    if given is None:
        if not ranked or any(dim <= 0 for dim in dims):
            raise UsageError(
                f"{path}: input {entry.name} has a dynamic shape ({_shown(dims) or 'any'})",
                f"fix it with --input-shape {entry.name}={_example(entry)} (your numbers), or give "
                "samples with --inputs FILE.npz",
            )
        if reason := too_large(dims):
            raise UsageError(
                f"{path}: input {entry.name} has {reason}",
                "export the graph again with a smaller input: this one's shape is fixed",
            )
        return TensorSpec(entry.name, tuple(dims), dtype)
    if ranked and (
        len(dims) != len(given.shape)
        or any(have > 0 and have != want for have, want in zip(dims, given.shape, strict=True))
    ):
        raise UsageError(
            f"{path}: input {entry.name} has shape {_shown(dims) or '() (a scalar)'}, "
            f"not {_shown(given.shape) or '() (a scalar)'}",
            f"give a shape that the graph allows, or leave it out; {_of_one_model(path, own)}",
        )
    if given.dtype not in (None, dtype):
        raise UsageError(
            f"{path}: input {entry.name} has type {dtype} in the graph, not {given.dtype}",
            f"leave out the type, or give {dtype}; {_of_one_model(path, own)}",
        )
    return TensorSpec(entry.name, given.shape, dtype)


def _example(entry: onnx.ValueInfoProto) -> str:
    """Return a shape that the input takes: 1 where it is open, and in images 3 and 224."""
    dims = _dims(entry)
    if not entry.type.tensor_type.HasField("shape"):
        return "1,3,224,224"
    usual = (1, 3, 224, 224) if len(dims) == 4 else (1,) * len(dims)
    return shape_text([dim if dim > 0 else other for dim, other in zip(dims, usual, strict=True)])


def _dims(entry: onnx.ValueInfoProto) -> list[int]:
    """Return the input's axes, 0 for those that are open."""
    axes = entry.type.tensor_type.shape.dim
    return [axis.dim_value if axis.HasField("dim_value") else 0 for axis in axes]


def _of_one_model(path: Path, example: str) -> str:
    return (
        "where several models are named, a shape is for the one that stands before it: "
        f"--input-shape {path}:{example}"
    )


def _shown(dims: Sequence[int]) -> str:
    return ",".join(str(dim) if dim > 0 else "?" for dim in dims)
