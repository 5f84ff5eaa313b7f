"""``import asymm_deploy.timm``, and ``timm.create_model("asymmnet_large_100")`` makes our networks.

Needs the extra ``train``. Every classifier that ``asymm-deploy models`` lists is registered; other
widths and rates are after `register`. A name that timm has already, its own ``mobilenetv2_100`` for
example, stays with what it means there. The networks have the keys of ours in their state_dict, so
`asymm-deploy export NAME --classes N --weights FILE` takes what was trained.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from typing import Any

if importlib.util.find_spec("timm") is None:
    raise ImportError(
        "asymm_deploy.timm needs timm, which is not installed: pip install 'asymm-deploy[train]'",
        name="timm",
    )

from asymm_deploy.errors import UsageError
from asymm_deploy.models.names import known, parse
from asymm_deploy.timm.torchvision_import import import_torchvision

import_torchvision()  # timm needs it

from timm.models import is_model, model_entrypoint, register_model  # noqa: E402

from asymm_deploy.timm.timm_entry import default_cfg, entry_point  # noqa: E402

default_cfgs: dict[str, Any] = {}
"""By name, what timm knows of a network: the authors' mean and deviation, resolution and crop."""


def register(name: str) -> bool:
    """Make timm know the classifier ``name``, asymmnet_small_060 for example.

    Returns False, with a warning, if another package registered that name before: it is kept.
    Raises UsageError if there is no such network, or if it is no classifier.
    """
    spec = parse(name)
    if spec.task is not None:
        raise UsageError(f"{spec.name} has no classes to train with timm", "name a classifier")
    if is_model(spec.name):
        other = model_entrypoint(spec.name).__module__
        if other == __name__:
            return True
        if not other.startswith("timm."):
            warnings.warn(f"timm knows another {spec.name}, of {other}: it is kept", stacklevel=2)
        return False
    entry = entry_point(spec, __name__)
    default_cfgs[spec.name] = default_cfg(spec)
    setattr(sys.modules[__name__], spec.name, entry)
    register_model(entry)
    return True


for _name in known():
    if parse(_name).task is None:
        register(_name)
