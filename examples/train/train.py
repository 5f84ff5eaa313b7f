"""Train a classifier of the AsymmNet paper by its recipe; see README.md in this folder."""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NoReturn

import asymm_deploy.timm  # first: it sees to torchvision, and registers our networks
from asymm_deploy.errors import DeployError

# isort: split
import timm
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import set_seed
from safetensors.torch import save_file
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import nn

PAPERS_LR, PAPERS_BATCH = 2.6, 8 * 256
"""Section 4.1 of the paper; 256 is the batch of each of its 8 GPUs, by the authors' train.py."""
CHECKPOINT = "epoch-{:04}"


class History:
    """What was trained so far and how; it is part of each checkpoint."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.epochs: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return {"settings": self.settings, "epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the epochs of a checkpoint; exit if they were trained otherwise."""
        other = [k for k in self.settings if state["settings"].get(k) != self.settings[k]]
        if other:
            was = ", ".join(f"{key} {state['settings'].get(key)}" for key in other)
            now = ", ".join(f"{key} {self.settings[key]}" for key in other)
            fail(
                f"the folder holds a run with {was}, not {now}",
                "start it as before, or give another --out",
            )
        self.epochs = state["epochs"]


def number(least: float, most: float = inf, kind: type = float) -> Callable[[str], float]:
    """Return what reads an option's number, and refuses what it can't be."""

    def read(text: str) -> float:
        value: float = kind(text)
        if not least <= value <= most:
            most_told = "" if most == inf else f", at most {most:g}"
            raise argparse.ArgumentTypeError(f"{text} must be at least {least:g}{most_told}")
        return value

    read.__name__ = kind.__name__  # what argparse calls text that is no number
    return read


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says; its defaults are the paper's recipe."""
    parser = argparse.ArgumentParser(
        description=(
            "Train a classifier of the AsymmNet paper by the recipe of its authors: SGD with "
            "Nesterov's momentum 0.9, weight decay 3e-5 on kernels alone, a learning rate that "
            "rises for 5 epochs and falls like a cosine to 0, label smoothing 0.1, dropout 0.2, "
            "random crops, flips and colours. Ends in OUT/MODEL.safetensors, which "
            "`asymm-deploy export MODEL --classes N --weights FILE` takes."
        ),
        epilog=(
            "On one GPU or a CPU: python train.py asymmnet_large_100 --data imagenet --out runs/l. "
            "On 8 GPUs, with a batch for each: torchrun --nproc_per_node 8 train.py ..., or "
            "accelerate launch for several machines. ACCELERATE_MIXED_PRECISION=fp16 or bf16 "
            "before the command makes it faster on GPUs. Repeat the command after Ctrl-C or a "
            "crash: it goes on after the last whole epoch, and ends in the same weights."
        ),
    )
    add = parser.add_argument
    add("model", help="a classifier that `asymm-deploy models` lists")
    add(
        "--data",
        type=Path,
        required=True,
        metavar="ROOT",
        help="folder with ROOT/train/CLASS/*.jpg and ROOT/val/CLASS/*.jpg",
    )
    add("--out", type=Path, required=True, help="folder of this run; it is made")
    whole, share = partial(number, kind=int), partial(number, most=1)
    for name, read, usual, what in (
        ("--size", whole(16, 4096), 224, "side of the input in pixels"),
        ("--epochs", whole(1), 360, "all of them, with the warm-up"),
        ("--warmup", whole(0), 5, "epochs of warm-up"),
        ("--batch", whole(1), 256, "images a step on each process"),
        ("--lr", number(1e-12), None, "highest learning rate"),
        ("--smoothing", share(0), 0.1, "label smoothing"),
        ("--dropout", share(0), 0.2, "before the last layer"),
        ("--least-area", share(0.001), 0.08, "least share of an image in a crop"),
        ("--flip", share(0), 0.5, "share of images that are mirrored"),
        ("--colour", share(0), 0.4, "change of brightness, contrast and saturation"),
        ("--workers", whole(0), 4, "processes that decode, for each process"),
        ("--seed", whole(0, 2**31), 0, "of weights, order and augmentation"),
    ):
        default = usual if usual is not None else "2.6 for 2048 images a step, in proportion"
        add(name, type=read, default=usual, metavar="N", help=f"{what} ({default})")
    asked = parser.parse_args(arguments)
    if asked.warmup >= asked.epochs:
        parser.error(f"--warmup {asked.warmup} leaves none of {asked.epochs} epochs to fall in")
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on training, and write the weights."""
    asked = options(arguments)
    require_ours(asked.model)
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # else several processes would not find together
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=asked.seed),
    )
    set_seed(asked.seed)
    names = class_names(asked.data)
    training, validation = loaders(asked, names)
    classes = len(names)
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"can't make {asked.out}: {error.strerror}", "give another --out")
    total_batch = asked.batch * accelerator.num_processes
    lr = asked.lr or PAPERS_LR * total_batch / PAPERS_BATCH
    model = timm.create_model(asked.model, num_classes=classes, drop_rate=asked.dropout)
    model = model.to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(model, "nesterov", lr=lr, weight_decay=3e-5, momentum=0.9)
    model, optimizer, training, validation = accelerator.prepare(
        model, optimizer, training, validation
    )
    steps = len(training)
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=max(1, (asked.epochs - asked.warmup) * steps),
        warmup_t=asked.warmup * steps,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=asked.smoothing)

    settings = {k: v for k, v in vars(asked).items() if k not in {"data", "out", "workers"}}
    history = History({**settings, "classes": classes, "processes": accelerator.num_processes})
    accelerator.register_for_checkpointing(history)
    if last := checkpoints(asked.out):
        accelerator.load_state(str(last[-1]))
        accelerator.print(f"going on after epoch {len(history.epochs)}")

    for epoch in range(len(history.epochs), asked.epochs):
        began = time.time()
        # An epoch depends on the seed and on its number alone, so it is the same after a restart.
        set_seed(asked.seed + epoch, device_specific=True)
        training.set_epoch(epoch)
        model.train()
        losses = []
        for step, (images, labels) in enumerate(training):
            schedule.step_update(epoch * steps + step)
            with accelerator.autocast():
                loss = loss_of(model(channels_last(images)), labels)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        row = {
            "epoch": epoch + 1,
            "lr": optimizer.param_groups[0]["lr"],
            "loss": torch.stack(losses).mean().item(),
            "top1_percent": top1(accelerator, model, validation),
            "seconds": round(time.time() - began, 1),
        }
        history.epochs.append(row)
        accelerator.print("  ".join(f"{key} {value:.6g}" for key, value in row.items()))
        keep(accelerator, asked.out, history)
    if accelerator.is_main_process:
        finish(asked, accelerator.unwrap_model(model), names, history)
    accelerator.end_training()


def require_ours(model: str) -> None:
    """Exit if ``model`` is not one of our classifiers; other widths and rates are made known."""
    try:
        if asymm_deploy.timm.register(model):
            return
    except DeployError as error:
        fail(error.what, error.hint)
    fail(f"{model} is timm's own network of that name", "name another of `asymm-deploy models`")


def class_names(data: Path) -> list[str]:
    """Return the classes in the order of their numbers, which is that of `asymm-deploy evaluate`.

    timm would count 2 before 10, and leave out what has no image.
    """
    found = [
        sorted(path.name for path in (data / part).glob("*/") if path.name[0] != ".")
        for part in ("train", "val")
    ]
    if not found[0] or found[0] != found[1]:
        fail(
            f"{data} has no train/ and val/ with the same folders of classes",
            "give --data a folder with both; examples/train/digits.py makes a small one",
        )
    return found[0]


def loaders(asked: argparse.Namespace, names: Sequence[str]) -> tuple[Any, Any]:
    """Return the loaders of both parts."""
    facts = resolve_data_config(
        {"input_size": (3, asked.size, asked.size)},
        model=timm.create_model(asked.model, num_classes=1),
    )
    made = []
    for part in ("train", "val"):
        numbers = {name: index for index, name in enumerate(names)}
        try:
            data = create_dataset("", str(asked.data / part), class_map=numbers)
        except RuntimeError:  # timm's word for it
            fail(
                f"{asked.data / part} has no images in its folders of classes",
                "give .jpg, .jpeg or .png files",
            )
        is_training = part == "train"
        if is_training and len(data) < asked.batch:
            fail(
                f"{asked.data / part} has {len(data)} images, fewer than a step takes",
                f"give --batch {max(1, len(data) // 2)}, or less",
            )
        made.append(
            create_loader(
                data,
                batch_size=asked.batch,
                is_training=is_training,
                scale=(asked.least_area, 1.0),
                ratio=(3 / 4, 4 / 3),
                hflip=asked.flip,
                color_jitter=asked.colour,
                num_workers=asked.workers,
                # A worker that lives on has drawn more numbers than one after a restart.
                persistent_workers=False,
                use_prefetcher=False,
                **facts,
            )
        )
    return made[0], made[1]


def channels_last(images: torch.Tensor) -> torch.Tensor:
    """Return images in the layout that convolutions are fastest in."""
    return images.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def top1(accelerator: Accelerator, model: nn.Module, validation: Any) -> float:
    """Return the share of right answers in percent."""
    model.eval()
    right, count = 0, 0
    for images, labels in validation:
        answers = model(channels_last(images)).argmax(1)
        is_right = accelerator.gather_for_metrics(answers == labels)
        right += int(is_right.sum())
        count += len(is_right)
    return 100 * right / count


def checkpoints(out: Path) -> list[Path]:
    """Return the whole checkpoints of a run, the last one last."""
    return sorted(out.glob(CHECKPOINT.format(0)[:-4] + "[0-9]" * 4))


def keep(accelerator: Accelerator, out: Path, history: History) -> None:
    """Write a checkpoint, whole or not at all, and then log.csv; remove the one before."""
    part = out / "checkpoint.part"
    if accelerator.is_main_process:
        shutil.rmtree(part, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(part))
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return
    before = checkpoints(out)
    part.rename(out / CHECKPOINT.format(len(history.epochs)))
    for path in before:
        shutil.rmtree(path)
    with (out / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, history.epochs[0])
        writer.writeheader()
        writer.writerows(history.epochs)


def finish(
    asked: argparse.Namespace, model: nn.Module, names: Sequence[str], history: History
) -> None:
    """Write the weights and the names of the classes, and say how they are exported."""
    (asked.out / "classes.txt").write_text("".join(f"{name}\n" for name in names))
    path = asked.out / f"{asked.model}.safetensors"
    last = history.epochs[-1]
    told = {"model": asked.model, **{k: str(last[k]) for k in ("epoch", "top1_percent")}}
    save_file({k: v.contiguous().cpu() for k, v in model.state_dict().items()}, path, told)
    shape = "" if asked.size == 224 else f" --input-shape 1,3,{asked.size},{asked.size}"
    print(f"asymm-deploy export {asked.model} --classes {len(names)}{shape} --weights {path}")


def fail(what: str, hint: str) -> NoReturn:
    """Exit with code 2 and a message."""
    print(f"error: {what}\nhint: {hint}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped; the same command goes on after the last whole epoch", file=sys.stderr)
        sys.exit(130)
