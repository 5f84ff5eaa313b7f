"""How long ``evaluate`` takes per image: decoding, and each engine beside PyTorch.

``python benchmarks/evaluate_speed.py [MODEL] [--images N]``

Images are JPEGs of ImageNet's usual size, made from smoothed noise. Each goes through all engines
in turn, so what disturbs the machine disturbs all alike; times are processor time of one thread.
The last lines say what 50,000 images take on this machine if nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from asymm_deploy.evaluate.image_folder import labelled_images
from asymm_deploy.evaluate.image_worker import ImageRunner, Work
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE, EvaluatedModel, Lane
from asymm_deploy.evaluate.prediction import ENGINES, EvaluationEngine
from asymm_deploy.evaluate.sample_reading import ImageClassifying
from asymm_deploy.export.jobs import export_all
from asymm_deploy.export.manifest import MNN, ONNX, Manifest
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.images.decoding import decoded_image
from asymm_deploy.images.preprocessing import IMAGENET, cropped, image_input
from asymm_deploy.models.source import resolve

_SIZE = (500, 375)
_ALL = 50_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?", default="asymmnet_large_100")
    parser.add_argument("--images", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (outcome,) = export_all([ExportRequest(resolve(asked.model), folder / "artifacts")], jobs=1)
        assert outcome.manifest is not None, outcome.failure
        made, at = outcome.manifest, outcome.request.folder
        taken = image_input(made.inputs)
        (output,) = made.outputs
        model = EvaluatedModel(
            request=outcome.request,
            inputs=made.inputs,
            reading=ImageClassifying(
                output=output.name, classes=output.shape[-1], taken=taken, recipe=IMAGENET
            ),
            lanes=tuple(_lane(made, at, engine) for engine in ENGINES),
        )
        root = _photographs(folder / "images", asked.images)
        images = labelled_images(root).images
        lanes = tuple(range(len(ENGINES)))
        runner = ImageRunner(model, lanes)
        none = folder / "unused"
        runner.run(
            root, Work(0, images[:5], lanes), none
        )  # what is done once: memory, caches of files
        began = time.thread_time()
        for image in images:
            cropped(decoded_image(root / image.path, 3), taken, IMAGENET)
        decoding = time.thread_time() - began
        made_of = runner.run(root, Work(0, images, lanes), none).chunks
        seconds = {name: made_of[at].seconds or 0.0 for at, name in enumerate(ENGINES)}
    each_ms = {
        name: 1000 * s / len(images) for name, s in (("decoding", decoding), *seconds.items())
    }
    for name, ms in each_ms.items():
        against = "" if name == "decoding" else f", {each_ms['torch'] / ms:.2f} x torch's speed"
        print(
            f"{name:12} {ms:7.2f} ms an image, {1000 / ms:6.1f} images a second and core{against}"
        )
    cores = os.cpu_count() or 1
    for chosen in (("mnn",), ENGINES):
        total = each_ms["decoding"] + sum(each_ms[name] for name in chosen)
        print(
            f"{_ALL:,} images with {', '.join(chosen)}: {_ALL * total / 6e4 / cores:.0f} min "
            f"on {cores} cores"
        )


def _lane(made: Manifest, folder: Path, engine: EvaluationEngine) -> Lane:
    return Lane(
        model=made.model,
        variant=BASE_VARIANT,
        engine=engine,
        device=HERE,
        precision="fp32",
        path=folder / (MNN if engine == "mnn" else ONNX),
        sha256s=(),
        api=made.api,
        output_names=tuple(each.name for each in made.outputs),
    )


def _photographs(root: Path, count: int) -> Path:
    random = np.random.default_rng(0)
    (root / "class").mkdir(parents=True)
    for number in range(count):
        noise = random.integers(0, 256, (_SIZE[1], _SIZE[0], 3), dtype=np.uint8)
        smooth = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))
        smooth.save(root / "class" / f"{number}.jpg", quality=90)
    return root


if __name__ == "__main__":
    main()
