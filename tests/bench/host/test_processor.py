"""What /proc/cpuinfo says of instructions for 8-bit products."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.host.processor import Processor, processor_in


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n", Processor("VNNI", True)),
        ("flags\t\t: fpu avx_vnni\n", Processor("VNNI", True)),
        ("flags\t\t: fpu avx2 avx512f\n", Processor("VNNI", False)),
        ("Features\t: fp asimd asimddp\n", Processor("dotprod", True)),
        ("Features\t: fp asimd asimddp i8mm\n", Processor("i8mm", True)),
        ("Features\t: fp asimd\n", Processor("dotprod", False)),
        ("vmx flags\t: avx512_vnni\nflags\t: fpu\n", Processor("VNNI", False)),
        ("", None),
        ("processor : 0\nhart : 0\nisa : rv64imafdc\n", None),
    ],
)
def test_the_flags_of_x86_and_arm_are_read(cpuinfo: str, expected: Processor | None) -> None:
    assert processor_in(cpuinfo) == expected
