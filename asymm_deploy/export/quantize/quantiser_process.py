"""MNN's quantiser in a process of its own: it prints on stdout, aborts and may hang.

``python -m asymm_deploy.export.quantize.quantiser_process IN.mnn OUT.mnn RECIPE.json``

It is called as a function of the wheel's extension module, with a list: the wheel's own program
calls it otherwise and aborts, and ``MNN.tools`` phones home. It returns True whatever happens.
"""

from __future__ import annotations

import sys

from asymm_deploy.signals import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    import _tools

    _tools.mnnquant(["mnnquant", *sys.argv[1:]])
