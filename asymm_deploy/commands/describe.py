"""``asymm-deploy describe``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from asymm_deploy.commands import console
from asymm_deploy.commands.options.input_options import (
    ClassesOption,
    InputShapeOption,
    InputsOption,
    NamedModel,
    named_models,
)
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    ModelArgument,
    TextFormat,
    TextFormatOption,
    print_data,
)
from asymm_deploy.errors import ConversionError, DeployError, UsageError

if TYPE_CHECKING:
    from asymm_deploy.models.cost import Complexity
    from asymm_deploy.models.source import CallableModule
    from asymm_deploy.text import ListRow


_COUNTING_TIMEOUT_S = 1800


def describe_command(
    model: ModelArgument,
    classes: ClassesOption = None,
    input_shape: InputShapeOption = None,
    inputs: InputsOption = None,
    output_format: TextFormatOption = TextFormat.TABLE,
) -> None:
    """Show a model's multiply-adds and parameters layer by layer.

    Below the table stands the split of the paper's Table 1: depthwise, pointwise and vanilla
    convolutions.
    """
    from asymm_deploy.text import formatted

    named = named_models([model], None, input_shape, inputs, classes)[0]
    with console.waiting("counting multiply-adds"):
        complexity = _complexity(named)
    rows: list[ListRow] = [
        {
            "layer": layer.name,
            "operator": layer.operator,
            "kind": layer.kind,
            "output_shape": "x".join(map(str, layer.output_shape)),
            "madds": layer.madds,
            "params": layer.params,
        }
        for layer in complexity.layers
    ]
    print_data(formatted(rows, FORMATS[output_format]))
    # The split was asked for too, but it is no row of a CSV file.
    tell = print_data if output_format is TextFormat.TABLE else console.say
    tell(_split(complexity))
    if complexity.uncounted:
        names = ", ".join(complexity.uncounted)
        console.say(f"the sum is too low, since these operators are not counted: {names}")


def _complexity(named: NamedModel) -> Complexity:
    """Return the layers of a network, of what a callable makes, or of an .onnx file's graph.

    Raises UsageError if it can't be made, read or run with the inputs given.
    """
    from asymm_deploy.export.proof.samples import completed_by_samples, shaped_by_samples
    from asymm_deploy.models.source import CallableModule, OnnxFile, require_shapes

    source, samples = named.source, named.samples
    require_shapes(source, samples)
    if not isinstance(source, OnnxFile):
        from asymm_deploy.models.catalog import count_source

        if isinstance(source, CallableModule) and samples is not None:
            shapes = completed_by_samples(source.input_shapes, samples)
            source = replace(source, input_shapes=shapes)
        return _count_apart(source) if isinstance(source, CallableModule) else count_source(source)
    from asymm_deploy.export.onnx_graph import graph_inputs, load_onnx
    from asymm_deploy.models.onnx_cost import count_graph

    model = load_onnx(source.path)
    inputs = graph_inputs(model, shaped_by_samples(model, source, samples))
    return count_graph(model, {spec.name: spec.shape for spec in inputs})


def _count_apart(source: CallableModule) -> Complexity:
    """Count in a process of its own: a user's code may end the one that it runs in.

    Raises UsageError if the module can't be made or run, ConversionError if the process died.
    """
    import multiprocessing

    from asymm_deploy.export.processes.task_process import run_tasks

    with closing(
        run_tasks(
            counted_in_worker,
            [(source,)],
            at_once=1,
            timeout_s=_COUNTING_TIMEOUT_S,
            context=multiprocessing.get_context("spawn"),
        )
    ) as ends:
        end = next(ends)
    if end.result is None:
        raise ConversionError(
            f"the process that ran {source.module}:{source.attribute} ended without a result "
            f"({end.reason})",
            f"look in {source.module} for what ends a program, such as os._exit",
        )
    if isinstance(end.result, DeployError):
        raise end.result
    return end.result


def counted_in_worker(source: CallableModule) -> Complexity | DeployError:
    """Count what a callable makes; a failure is returned, so that it reaches the parent."""
    from asymm_deploy.export.processes.task_process import stand_behind_parent
    from asymm_deploy.models.catalog import count_source
    from asymm_deploy.models.source import in_one_line

    stand_behind_parent()
    try:
        return count_source(source)
    except DeployError as error:
        return error
    except BaseException as error:
        return UsageError(
            f"{source.module}:{source.attribute} raised {in_one_line(error)}",
            "try it in Python, where you see the traceback",
        )


def _split(complexity: Complexity) -> str:
    depthwise, pointwise, vanilla = complexity.table1_percent()
    return (
        f"{complexity.madds / 1e6:.2f} M MAdds, {complexity.params / 1e6:.3f} M params; "
        f"depthwise {depthwise:.1f} %, pointwise (with the classifier) {pointwise:.1f} %, "
        f"vanilla {vanilla:.1f} %"
    )
