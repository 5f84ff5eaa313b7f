"""Write scikit-learn's handwritten digits as PNGs: FOLDER/train/CLASS and FOLDER/val/CLASS.

1,797 grey images of 8x8, made 64x64; 1,078 to train with and 719 to validate, drawn by a seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 64
MOST = 16
"""The largest value in scikit-learn's images."""


def main() -> None:
    """Write the images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write them; it is made")
    folder = parser.parse_args().folder
    found = load_digits()
    parts = train_test_split(
        np.arange(len(found.target)), test_size=0.4, random_state=0, stratify=found.target
    )
    for part, numbers in zip(("train", "val"), parts, strict=True):
        for number in numbers:
            target = folder / part / str(found.target[number]) / f"{number:04}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            grey = np.rint(found.images[number] * (255 / MOST)).astype(np.uint8)
            image = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            image.convert("RGB").save(target)
        print(f"{folder / part}: {len(numbers)} images")


if __name__ == "__main__":
    main()
