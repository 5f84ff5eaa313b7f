"""Train a classifier of the AsymmNet paper by its recipe; see README.md in this folder."""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asymm_deploy.timm  # noqa: F401  first: it sees to torchvision, and registers our networks

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
            fail(f"the folder holds a run with {was}, not {now}", "give another --out")
        self.epochs = state["epochs"]


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
            "On 8 GPUs: accelerate launch --multi_gpu --num_processes 8 --mixed_precision fp16 "
            "train.py ... (the batch is that of each GPU). Repeat the command after Ctrl-C or a "
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
    add("--size", type=int, default=224, help="side of the input in pixels (224)")
    add("--epochs", type=int, default=360, help="all of them, with the warm-up (360)")
    add("--warmup", type=int, default=5, metavar="EPOCHS", help="epochs of warm-up (5)")
    add("--batch", type=int, default=256, help="images a step on each process (256)")
    add(
        "--lr",
        type=float,
        help="highest learning rate (2.6 for 2048 images a step, and in "
        "proportion for more or fewer)",
    )
    add("--smoothing", type=float, default=0.1, help="label smoothing (0.1)")
    add("--dropout", type=float, default=0.2, help="before the last layer (0.2)")
    add("--least-area", type=float, default=0.08, help="least share of an image in a crop (0.08)")
    add("--flip", type=float, default=0.5, help="share of images that are mirrored (0.5)")
    add("--colour", type=float, default=0.4, help="change of brightness, contrast and colour (0.4)")
    add("--workers", type=int, default=4, help="processes that decode, for each process (4)")
    add("--seed", type=int, default=0, help="of weights, order and augmentation (0)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on training, and write the weights."""
    asked = options(arguments)
    accelerator = Accelerator(
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=asked.seed)
    )
    set_seed(asked.seed)
    training, validation, classes = loaders(asked)
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
        finish(asked, accelerator.unwrap_model(model), classes, history)
    accelerator.end_training()


def loaders(asked: argparse.Namespace) -> tuple[Any, Any, int]:
    """Return the loaders of both parts, and how many classes there are."""
    classes = sorted(path.name for path in (asked.data / "train").glob("*/"))
    if not classes or classes != sorted(path.name for path in (asked.data / "val").glob("*/")):
        fail(
            f"{asked.data} has no train/ and val/ with the same folders of classes",
            "give --data a folder with both; examples/train/digits.py makes a small one",
        )
    facts = resolve_data_config(
        {"input_size": (3, asked.size, asked.size)},
        model=timm.create_model(asked.model, num_classes=1),
    )
    made = []
    for part in ("train", "val"):
        data = create_dataset("", str(asked.data / part))
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
    return made[0], made[1], len(classes)


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


def finish(asked: argparse.Namespace, model: nn.Module, classes: int, history: History) -> None:
    """Write the weights, and say how they are exported."""
    path = asked.out / f"{asked.model}.safetensors"
    told = {"model": asked.model, **{k: str(v) for k, v in history.epochs[-1].items()}}
    save_file({k: v.contiguous().cpu() for k, v in model.state_dict().items()}, path, told)
    shape = "" if asked.size == 224 else f" --input-shape 1,3,{asked.size},{asked.size}"
    print(f"asymm-deploy export {asked.model} --classes {classes}{shape} --weights {path}")


def fail(what: str, hint: str) -> None:
    """Exit with code 2 and a message."""
    print(f"error: {what}\nhint: {hint}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped; the same command goes on after the last whole epoch", file=sys.stderr)
        sys.exit(130)
