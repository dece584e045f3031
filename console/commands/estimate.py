"""What one model takes on its GPUs, whether its engine starts, and what to change where it does not."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.estimating.subject import Subject

_USAGE = """gpudeck estimate MODEL --gpu KIND [--engine "vllm X.Y.Z"] [engine flags]
       gpudeck estimate --config config.json --gpu KIND [engine flags]
       gpudeck estimate MODEL --fleet FILE [--on HOST/GPU] [engine flags]
       gpudeck estimate --gpu KIND -- vllm serve MODEL …
       gpudeck estimate --fit MODEL … --gpu KIND
       gpudeck estimate --batch FILE [--architectures FILE] --json
       gpudeck estimate --quick --params N [--layers N --width N --users N …]"""


@dataclass(frozen=True, slots=True)
class _Option:
    """An option of ours; every other flag is the engine's."""

    flag: str
    metavar: str | None
    """What its value is called; None for a switch."""
    help: str

    @property
    def name(self) -> str:
        """What argparse calls its value."""
        return self.flag.removeprefix("--").replace("-", "_")


_OPTIONS = (
    _Option("--gpu", "KIND", "the kind of GPU, such as MI300X or H100"),
    _Option("--gpus", "N", "how many there are; default as many as the engine's flags ask for"),
    _Option("--engine", '"NAME X.Y.Z"', 'the engine and its version, such as "vllm 0.9.0"'),
    _Option("--config", "FILE", "the model's Hugging Face config.json"),
    _Option("--architectures", "FILE", "a YAML file of config.json fields by Hugging Face id, for models not known"),
    _Option("--fleet", "FILE", "a fleet file: MODEL is one of its models, beside its neighbours"),
    _Option("--on", "HOST/GPU", "on these GPUs of the fleet instead of its own"),
    _Option("--others", "SIZE", "memory other processes hold on each GPU, such as 40GiB"),
    _Option("--fit", None, "the longest context, the most concurrency and the smallest share it can have; for several "
            "models the shares that fill one GPU"),
    _Option("--batch", "FILE", "a YAML list of starts, answered one by one as JSON"),
    _Option("--json", None, "print one JSON document"),
    _Option("--quick", None, "the arithmetic on paper, step by step, instead of an engine's estimate"),
)  # fmt: skip
_QUICK_OPTIONS = (
    _Option("--params", "N", "parameters, such as 13B"),
    _Option("--precision", "P", "of the weights: fp32, fp16, bf16, int8 or int4"),
    _Option("--layers", "N", "layers"),
    _Option("--width", "N", "width of a token's key: the hidden size, or KV heads x head size"),
    _Option("--cache-precision", "P", "of the KV cache"),
    _Option("--tokens", "N", "tokens of one sequence"),
    _Option("--sequences", "N", "sequences of one request: n, or the beam width"),
    _Option("--users", "N", "requests at once"),
    _Option("--beside", "SIZE", "activations and overhead as one figure"),
    _Option("--gpu-memory", "SIZE", "of one GPU, to say how many it takes"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck estimate``."""
    parser.usage = _USAGE
    quick = parser.add_argument_group("with --quick")
    for group, options in ((parser, _OPTIONS), (quick, _QUICK_OPTIONS)):
        for option in options:
            if option.metavar:
                group.add_argument(option.flag, metavar=option.metavar, help=option.help)
            else:
                group.add_argument(option.flag, action="store_true", help=option.help)


def read(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """The options, with ``words`` (models and engine flags) and ``line`` (what follows ``--``) as they were typed."""
    end = words.index("--") if "--" in words else len(words)
    own, others = _divided(words[:end])
    options = parser.parse_args(own)
    options.words, options.line = others, list(words[end + 1 :])
    return options


def run(options: argparse.Namespace) -> int:
    """Print the estimate; exit 1 where a model does not start or does not fit."""
    if options.batch:
        return _batch(options)
    if options.quick:
        return _quick(options)
    stray = next((option.flag for option in _QUICK_OPTIONS if getattr(options, option.name)), None)
    if stray:
        raise UsageError(f"{stray} goes with --quick.", "Name a model, or add --quick.")
    from console.estimating.subject import subjects

    found = subjects(options)
    if options.fit and (len(found) > 1 or options.on):
        return _fill(found, options)
    return _estimate(found[0], options)


def _estimate(subject: Subject, options: argparse.Namespace) -> int:
    from console.estimating.text import estimate_lines, fit_lines
    from fleet.estimate import Outcome
    from fleet.estimate.fitting import fit
    from fleet.estimate.json import estimate_json, fit_json
    from fleet.estimate.ways_out import ways_out

    ways = ways_out(subject.worst, subject.most_gpus)
    warnings = _warned([subject])
    room = fit(subject.worst) if options.fit else None
    if options.json:
        document = estimate_json(subject.trial, subject.gpus, ways, subject.notes)
        _print_json({**document, "warnings": warnings, **({"fit": fit_json(room)} if room else {})})
    else:
        print("\n".join(estimate_lines(subject, ways)))
        if room:
            print("\n".join(("", *fit_lines(room))))
    fits = room is not None and room.longest_length is not None
    starts = subject.trial.estimate().outcome is Outcome.STARTED
    return Exit.DONE if starts or fits else Exit.FINDINGS


def _fill(found: Sequence[Subject], options: argparse.Namespace) -> int:
    from console.estimating.subject import on_one_gpu
    from console.estimating.text import filling_lines
    from fleet.estimate.filling import fill
    from fleet.estimate.json import filling_json

    alone = on_one_gpu(found, options)
    filling = fill(alone)
    gpu = options.on or f"{alone[0].accelerator.name}/0"
    warnings = _warned(found)
    if options.json:
        _print_json({**filling_json(gpu, filling), "warnings": warnings})
    else:
        print("\n".join(filling_lines(gpu, alone[0].totals[0], filling)))
    return Exit.DONE if filling.fits else Exit.FINDINGS


def _warned(subjects: Sequence[Subject]) -> tuple[str, ...]:
    """What there is to say of their flags, said."""
    from console.estimating.flag_warnings import flag_warnings, tell

    warnings = flag_warnings(subject.trial.model for subject in subjects)
    tell(warnings)
    return warnings


def _batch(options: argparse.Namespace) -> int:
    from console.estimating.architectures import catalogue, read_yaml
    from fleet.estimate.batch import answers

    _print_json(answers(read_yaml(options.batch), catalogue(options.architectures)))
    return Exit.DONE


def _quick(options: argparse.Namespace) -> int:
    from console.estimating.quick import paper, quick_json
    from console.estimating.subject import named_architecture
    from fleet.estimate.quick import reckon, steps

    result = reckon(paper(options, named_architecture(options)))
    if options.json:
        _print_json(quick_json(result, steps(result)))
    else:
        print("\n".join(steps(result)))
    return Exit.DONE


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of our own options, and all others."""
    takes_value = {option.flag: option.metavar is not None for option in (*_OPTIONS, *_QUICK_OPTIONS)} | {
        "-h": False,
        "--help": False,
    }
    own: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, equals, _ = word.partition("=")
        if flag not in takes_value:
            others.append(word)
            continue
        own.append(word)
        if takes_value[flag] and not equals:
            own += [value for value in (next(rest, None),) if value is not None]
    return own, others
