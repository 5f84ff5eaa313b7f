"""What ``--device`` means in a lab: phones of a kind, whichever host they are on. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.bench.records import DeviceFacts, LaunchRecord
    from asymm_deploy.lab.roster import LabPhone

TRAITS = ("soc", "model", "product", "serial", "host", "abi", "android")
ANY = "any"
_TRAIT = re.compile(rf"({'|'.join(TRAITS)})\s*=", re.IGNORECASE)
_NO_TRAIT = re.compile(r",\s*([A-Za-z_]+)\s*=")
"""Within a value: a trait that is none, as far as anybody can tell."""
_BETWEEN = re.compile(rf",(?=\s*(?:{'|'.join(TRAITS)})\s*=)", re.IGNORECASE)
_LOCAL = {
    "host": "this machine",
    "a76": "an emulated processor",
    "cortex-a76": "an emulated processor",
}
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PhoneKind:
    """What a phone must be: all of some traits, each a pattern."""

    text: str
    """As the user gave it."""
    traits: tuple[tuple[str, str], ...] = ()
    """Names and patterns; none: any phone."""

    @property
    def is_a_serial_number(self) -> bool:
        """Whether the user gave that alone, without a trait's name."""
        return self.traits == (("serial", self.text),)

    def fits(self, phone: LabPhone) -> bool:
        """Whether a phone is of this kind; case does not matter."""
        return all(
            _matches(getattr(phone.facts, name) or "", pattern) for name, pattern in self.traits
        )

    def may_have_fitted(self, facts: DeviceFacts) -> bool:
        """Whether the phone of a record was of this kind, as far as the record tells."""
        known = {"serial": facts.device, "soc": facts.soc, "abi": facts.abi}
        known["model"] = facts.product
        return all(
            name not in known or _matches(known[name] or "", pattern)
            for name, pattern in self.traits
        )


def names_a_trait(text: str) -> bool:
    """Whether a ``--device`` begins as a kind of phone does: no serial number looks like that."""
    return _TRAIT.match(text.strip()) is not None


def phone_kind(text: str) -> PhoneKind:
    """Return what a ``--device`` of the user means.

    ``soc=SM8150``, ``model=Pixel*,host=desk-2``, ``any``, or a serial number. Raises UsageError
    for what is no phone, and for an unknown trait.
    """
    word = text.strip()
    if word.lower() in {ANY, "auto"}:
        return PhoneKind(word)
    if word.lower() in _LOCAL:
        raise UsageError(
            f"--device {word} is {_LOCAL[word.lower()]}, and a lab has phones",
            "leave out --lab, or name phones: --device any, or 'soc=SM8150'",
        )
    if word.lower() == "all":
        raise UsageError(
            "--device all does not say how many phones of the lab",
            "name a kind, such as 'soc=SM8150', or any; `bench --count N` takes several",
        )
    if not word:
        raise UsageError("--device is empty", "name a kind of phone: 'soc=SM8150', or any")
    if not _TRAIT.match(word):
        name, equals, _ = word.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_ -]+", name):
            raise _no_trait(name)
        return PhoneKind(word, (("serial", word),))
    traits = []
    for part in _BETWEEN.split(word):
        name, _, pattern = part.partition("=")
        if not pattern.strip():
            raise UsageError(
                f"--device {excerpt(word, 80)} gives no value for {name.strip()}",
                f"give one, as in '{name.strip()}=...'",
            )
        name = name.strip().lower()
        # A serial number may hold anything.
        if name != "serial" and (other := _NO_TRAIT.search(pattern)):
            raise _no_trait(other[1])
        traits.append((name, pattern.strip()))
    return PhoneKind(word, tuple(traits))


def kinds_of(devices: Sequence[str]) -> tuple[PhoneKind, ...]:
    """Return the kinds that are meant, each once; without any, any phone."""
    kinds: dict[frozenset[tuple[str, str]], PhoneKind] = {}
    for kind in map(phone_kind, devices):
        kinds.setdefault(frozenset((name, value.casefold()) for name, value in kind.traits), kind)
    return tuple(kinds.values()) or (PhoneKind(ANY),)


def _no_trait(name: str) -> UsageError:
    return UsageError(
        f"phones of a lab are not told apart by {excerpt(name.strip(), 40)}",
        f"give one of {', '.join(TRAITS)}, or a serial number",
    )


def usable_phones(listed: Iterable[LabPhone]) -> list[LabPhone]:
    """Return the phones that can be named and asked for, those first that nobody has.

    A phone that is attached to two hosts is there twice.
    """
    return [
        phone
        for phone in sorted(listed, key=lambda each: (each.state != "free", each.name))
        if phone.facts.serial and phone.facts.serial.isprintable() and phone.state != "lost"
    ]


def chosen_phones(
    kinds: Sequence[PhoneKind], count: int, phones: Sequence[LabPhone], held: Mapping[str, int]
) -> list[LabPhone] | None:
    """Return ``count`` phones of each kind, no phone twice; None where there are too few.

    Those with most of the launches in ``held``, by serial number, are preferred; else those that
    come first.
    """
    order = sorted(phones, key=lambda each: -held.get(each.facts.serial, 0))
    wanted = [kind for kind in kinds for _ in range(count)]
    chosen: dict[str, tuple[int, LabPhone]] = {}
    """By serial number: which of the wanted each is, and where. Found as matchings are."""

    def found(number: int, seen: set[str]) -> bool:
        for phone in order:
            serial = phone.facts.serial
            if serial in seen or not wanted[number].fits(phone):
                continue
            seen.add(serial)
            if serial not in chosen or found(chosen[serial][0], seen):
                chosen[serial] = (number, phone)
                return True
        return False

    if not all(found(number, set()) for number in range(len(wanted))):
        return None
    first = {phone.facts.serial: number for number, phone in reversed(list(enumerate(order)))}
    return [chosen[serial][1] for serial in sorted(chosen, key=first.__getitem__)]


def meant_trait(kind: PhoneKind, phones: Iterable[LabPhone]) -> str | None:
    """Return ``soc=SM8150`` where a chip, say, was given as if it were a serial number."""
    if not kind.is_a_serial_number:
        return None
    known = [phone.facts for phone in phones]
    return next(
        (
            f"{name}={kind.text}"
            for name in ("soc", "model", "product", "host")
            if any(_matches(getattr(facts, name) or "", kind.text) for facts in known)
        ),
        None,
    )


def launches_held(
    records: Iterable[LaunchRecord], plan: Plan, models: Iterable[str], kinds: Sequence[PhoneKind]
) -> dict[str, int]:
    """Return how many finished launches of these models each phone has, by serial number.

    Only phones that may be of one of ``kinds`` count.
    """
    names = set(models)
    like = (plan.engine, plan.precision, plan.threads, plan.launches, plan.warmup)
    return launches_by_phone(
        (
            each
            for each in records
            if each.model in names
            and (each.engine, each.precision, each.threads) == like[:3]
            and (each.launches_planned, each.warmup) == like[3:]
        ),
        kinds,
    )


def launches_by_phone(
    records: Iterable[LaunchRecord], kinds: Sequence[PhoneKind]
) -> dict[str, int]:
    """Return how many finished launches each phone has that may be of one of ``kinds``."""
    return Counter(
        each.device
        for each in records
        if each.error is None
        and each.device_facts.os.startswith("Android")
        and any(kind.may_have_fitted(each.device_facts) for kind in kinds)
    )


def in_words(phones: Sequence[LabPhone]) -> str:
    """Return what there is: ``9A1 (Pixel 4, SM8150, on desk-2, free); ...``."""
    if not phones:
        return "none is there at the moment"
    shown = [_described(phone) for phone in phones[:_MOST_SHOWN]]
    more = [f"{len(phones) - _MOST_SHOWN} more"] if phones[_MOST_SHOWN:] else []
    return f"there are: {'; '.join([*shown, *more])}"


def _described(phone: LabPhone) -> str:
    facts = phone.facts
    traits = [facts.model or facts.product, facts.soc, f"on {facts.host}", phone.state]
    about = ", ".join(excerpt(each, 60) for each in traits if each)
    return f"{excerpt(facts.serial, 80)} ({about})"


def _matches(value: str, pattern: str) -> bool:
    value, pattern = value.casefold(), pattern.casefold()
    return value == pattern or fnmatchcase(value, pattern)
