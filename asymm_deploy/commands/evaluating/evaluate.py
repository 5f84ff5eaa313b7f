"""``asymm-deploy evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.bounds import MOST_CORES
from asymm_deploy.commands.options.input_options import (
    InputShapeOption,
    classes_count,
    named_models,
)
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    ArtifactsOption,
    DrawnSeedOption,
    ModelsArgument,
    PrecisionName,
    TableOption,
    TextFormat,
    TextFormatOption,
    within,
)
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt


def evaluate_command(
    images: Annotated[
        Path,
        typer.Option(
            "--images",
            metavar="ROOT",
            help="Folder with the images, those of a class in a folder of its name: "
            "ROOT/CLASS/*.jpg. Faces: ROOT/NAME/NAME_0001.jpg; clips: ROOT/CLASS/CLIP/*.jpg; "
            "keypoints: the folder of the annotations' images; boxes: VOCdevkit/VOC2007.",
        ),
    ],
    models: ModelsArgument = None,
    table: TableOption = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|FILE",
            help="The model's classes in the order of its outputs: a file with the name of a "
            "folder a line. Default: ROOT/classes.txt if it is there, else the folders in the "
            "order of their names; for boxes VOC's 20. A number is how many classes a network of "
            "the paper tells apart, where no export says so (a file called 10 is ./10).",
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Which faces to compare: a list as LFW's pairs.txt. Networks for faces need it.",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--frames", 1, 100_000),
            help="How many frames of a clip are looked at, evenly spread. Networks for actions "
            "take 25 unless it says otherwise.",
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Where people and their keypoints are: person_keypoints_val2017.json of COCO, or "
            "a file like it. Networks for keypoints need it.",
        ),
    ] = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="People that a detector found, as a list of COCO's results, to look at in place "
            "of the annotations' boxes.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of VOC's lists: ImageSets/Main/NAME.txt. Networks for boxes take test "
            "unless it says otherwise.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="face|action|pose|yolo3",
            help="What an .onnx file or a callable is for, if it is no classifier of images. A "
            "network's name says it itself, and so do --pairs, --frames, --annotations and "
            "--split.",
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="fp32|half|w8|w4|int8|int8-mixed",
            help="Which variants of each model, made with `export --quantize`; fp32 is the export "
            "itself. Repeat it, or separate them by commas. Default: fp32 and every variant that "
            "was made. MNN runs variants, and the export's first engine is what they are compared "
            "with.",
        ),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="torch|onnxruntime|mnn",
            help="What runs the model; repeat it for several. Default: all three, and each is "
            "compared with the first.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="host|auto|SERIAL|HOST:PORT|a76",
            help="Where MNN runs. host is this machine; auto is the one phone that is attached; "
            "a76 is the emulated Cortex-A76, with 64 of the images unless --limit says otherwise. "
            "What it answers is compared with the first engine on this machine.",
        ),
    ] = "host",
    precision: Annotated[
        list[PrecisionName] | None,
        typer.Option(
            help="Precision of MNN's arithmetic; repeat it for both. fp16 is measured on a phone "
            "or a76: on x86 MNN computes in fp32 all the same, and no figure is given. Default: "
            "fp32.",
        ),
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            metavar="imagenet|face|FILE.json",
            help="How an image becomes the input: imagenet is the authors' way (shorter side to "
            "256, 224 from the centre, their mean and deviation), and the default but for faces; "
            "face is (value - 127.5) / 128 of an aligned crop; or a JSON file with mean, std, "
            "crop_ratio, interpolation and channels.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--limit", 1, 10**9),
            help="Evaluate N of the images (pairs, clips), drawn at random by --seed. Default: "
            "all.",
        ),
    ] = None,
    seed: DrawnSeedOption = 0,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=within("--jobs", 1, MOST_CORES),
            help="Processes that decode images and run engines, each on one thread. Default: one "
            "for each core.",
        ),
    ] = None,
    artifacts: ArtifactsOption = Path("artifacts"),
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Results folder, where accuracy.csv or tasks.csv goes.",
        ),
    ] = Path("results"),
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Put all images through the engines again."),
    ] = False,
    input_shape: InputShapeOption = None,
    output_format: TextFormatOption = TextFormat.TABLE,
) -> None:
    """Evaluate models on images by their task's measure, in PyTorch, ONNX Runtime and MNN.

    Exports first what is missing or out of date. All engines get the same pixels. OUT/accuracy.csv
    has a row for each model and engine, with Wilson's 95 % interval and what has changed from the
    first engine; OUT/predictions/ has every prediction as Parquet. Images that can't be decoded are
    listed and counted. Repeat the command after Ctrl-C: it goes on where it stopped.

    Classifiers have top-1 and top-5. Networks for faces, actions, keypoints and boxes have the
    measures of LFW, HMDB51, COCO and VOC, in OUT/tasks.csv.

    \b
      asymm-deploy evaluate asymmnet_large_100 --images imagenet/val --limit 5000
      asymm-deploy evaluate net.onnx --images photos --classes classes.txt --engine mnn
      asymm-deploy evaluate asymmnet_large_100_face --images lfw --pairs pairs.txt
      asymm-deploy evaluate asymmnet_large_100_pose --images val2017 \
          --annotations person_keypoints_val2017.json
      asymm-deploy evaluate asymmnet_large_100_yolo3 --images VOCdevkit/VOC2007
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.commands.evaluating.evaluate_steps import EvaluationRequest, run_evaluation
    from asymm_deploy.commands.evaluating.evaluated_subject import DataOptions

    count = classes_count(classes)
    bare = [each for each in models or () if each.lower().endswith(".mnn")]
    if bare:
        raise UsageError(
            f"{excerpt(bare[0])} is an .mnn file, and there is nothing to compare it with",
            "name the network, the .onnx file or the callable that it was made from",
        )
    named = named_models(models, table, input_shape, classes=count)
    raise typer.Exit(
        run_evaluation(
            EvaluationRequest(
                sources=[each.source for each in named],
                data=DataOptions(
                    images=images,
                    classes=Path(classes) if classes is not None and count is None else None,
                    task=task,
                    pairs=pairs,
                    annotations=annotations,
                    detections=detections,
                    split=split,
                    frames=frames,
                    limit=limit,
                    seed=seed,
                ),
                variants=variant or [],
                engines=engine or [],
                device=device,
                precisions=[each.value for each in precision or [PrecisionName.FP32]],
                preprocess=preprocess,
                jobs=jobs,
                artifacts=artifacts,
                out=out,
                fresh=fresh,
                output_format=FORMATS[output_format],
            )
        )
    )
