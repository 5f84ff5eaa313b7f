"""Which phones there are: what each says of itself, and what its adbd can do."""

from __future__ import annotations

from dataclasses import dataclass, field

# Snapdragon 855: Silver, Gold, Prime.
_POLICY0 = (
    "300000 403200 499200 576000 672000 768000 844800 940800 1036800 1113600 1209600 1305600 "
    "1382400 1478400 1555200 1632000 1708800 1785600"
)
_POLICY4 = (
    "710400 825600 940800 1056000 1171200 1286400 1401600 1497600 1612800 1708800 1804800 1920000 "
    "2016000 2131200 2227200 2323200 2419200"
)
_POLICY7 = (
    "825600 940800 1056000 1171200 1286400 1401600 1497600 1612800 1708800 1804800 1920000 2016000 "
    "2131200 2227200 2323200 2419200 2534400 2649600 2745600 2841600"
)


@dataclass(frozen=True)
class Policy:
    """Cores that share a clock."""

    first: int
    cores: tuple[int, ...]
    khz: tuple[int, ...]
    """The clocks it has, ascending."""


def _policy(cores: range, khz: str) -> Policy:
    return Policy(cores[0], tuple(cores), tuple(map(int, khz.split())))


SM8150 = (
    _policy(range(4), _POLICY0),
    _policy(range(4, 7), _POLICY4),
    _policy(range(7, 8), _POLICY7),
)
MODERN = frozenset({"shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir", "sendrecv_v2"})


@dataclass(frozen=True)
class Profile:
    """A phone as it leaves the shop."""

    model: str
    product: str
    device: str
    hardware: str
    fingerprint: str
    android: str
    sdk: int
    soc_model: str | None
    """ro.soc.model, which is there from Android 12 on."""
    policies: tuple[Policy, ...] = SM8150
    platform: str = "msmnile"
    abilist: str = "arm64-v8a,armeabi-v7a,armeabi"
    features: frozenset[str] = field(default=MODERN)

    @property
    def cores(self) -> int:
        return sum(len(policy.cores) for policy in self.policies)


PIXEL_4 = Profile(
    model="Pixel 4",
    product="flame",
    device="flame",
    hardware="flame",
    fingerprint="google/flame/flame:13/TP1A.221005.002.B2/9382335:user/release-keys",
    android="13",
    sdk=33,
    soc_model="SM8150",
)
MI_9 = Profile(
    model="MI 9",
    product="cepheus",
    device="cepheus",
    hardware="qcom",
    fingerprint="Xiaomi/cepheus/cepheus:11/RKQ1.200826.002/V12.5.1.0.RFAMIXM:user/release-keys",
    android="11",
    sdk=30,
    soc_model=None,
)
ONEPLUS_7_PRO = Profile(
    model="GM1911",
    product="OnePlus7Pro",
    device="OnePlus7Pro",
    hardware="qcom",
    fingerprint="OnePlus/OnePlus7Pro/OnePlus7Pro:12/SKQ1.211113.001/P.202303230244:user/release-keys",
    android="12",
    sdk=31,
    soc_model="SM8150",
)
# Made up but for its chip, a Snapdragon 810, so that something is older than shell_v2 (Android 7).
OLD_PHONE = Profile(
    model="Old Phone",
    product="old",
    device="old",
    hardware="qcom",
    fingerprint="generic/old/old:6.0.1/MMB29M/1:user/release-keys",
    android="6.0.1",
    sdk=23,
    soc_model=None,
    policies=(
        _policy(range(4), "384000 460800 600000 672000 768000 864000 960000 1248000 1555200"),
        _policy(range(4, 8), "384000 633600 768000 864000 960000 1248000 1555200 1958400"),
    ),
    platform="msm8994",
    features=frozenset(),
)
PROFILES = (PIXEL_4, MI_9, ONEPLUS_7_PRO, OLD_PHONE)
