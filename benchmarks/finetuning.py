"""LoRA on a real model: tokens a second and memory, against peft + transformers with the same setting.

    python benchmarks/finetuning.py [--rank 8 --context 256 --batch 4 --parts 2 --rounds 5 --threads 2 --no-compile]

SmolLM2-135M-Instruct, additions of the same rank to every matrix of the blocks, AdamW, bfloat16 by default.
Contenders, each in a process of its own so that its memory is its own, taking turns, one step a turn:

    ours     the conversations packed into rows and compiled, as `twofold finetune` does it; answers alone are scored
    packed   peft + transformers on the same packed rows and positions (each conversation alone: its masks)
    padded   peft + transformers as it comes: one conversation a row, padded to the longest, of the same count

Tokens a second count the conversations' own tokens, none of the padding. Printed: the median of the turns, the ratios
turn by turn, and the largest resident memory of each process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONTENDERS = ("ours", "packed", "padded")
THINGS = ("a river", "the moon", "bread", "a bridge", "copper", "the sea", "an oak", "wool", "salt", "a clock")


def conversations(n: int) -> list[list[dict[str, str]]]:
    """Questions of one to four sentences and answers of one to five, always the same ones."""
    draw = random.Random(0)
    made = []
    for _ in range(n):
        thing = draw.choice(THINGS)
        question = " ".join(f"What do people say of {thing} in the year {draw.randrange(1500, 2000)}?"
                            for _ in range(draw.randrange(1, 5)))  # fmt: skip
        answer = " ".join(f"Some say that {thing} is like {draw.choice(THINGS)}, and others that it is not."
                          for _ in range(draw.randrange(1, 6)))  # fmt: skip
        made.append([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])
    return made


def serve(contender: str, args: argparse.Namespace) -> None:
    """One contender: for every line on standard input take a step, and say how long it took."""
    import torch

    torch.set_num_threads(args.threads)
    step = _ours(args) if contender == "ours" else _theirs(args, packed=contender == "packed")
    for line in sys.stdin:
        began = time.perf_counter()
        tokens, loss = step(int(line))
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"rate": tokens / seconds, "seconds": seconds, "loss": loss, "memory": peak}), flush=True)


def _prepared(args):
    """The decoder, its engine, and the packed rows."""
    from twofold.engine.open import from_decoder
    from twofold.tune.examples import example
    from twofold.tune.packing import pack
    from twofold.weights.locate import locate
    from twofold.weights.parameters import load
    from twofold.weights.torch_state import to_decoder

    parameters = load(locate("smollm2"))
    model = to_decoder(parameters)
    engine = from_decoder(model, parameters.tokenizer)
    engine.chat_template = parameters.chat_template
    examples = [example(engine, one) for one in conversations(40 * args.batch)]
    return parameters, model, examples, pack(examples, args.context)


def _ours(args):
    import torch

    from twofold.model.devices import DTYPES
    from twofold.train.loop import run_steps
    from twofold.train.optimiser import Optimiser
    from twofold.train.optimiser_settings import OptimiserSettings
    from twofold.tune.batches import AnswerBatches
    from twofold.tune.lora import wrap
    from twofold.tune.losses import AnswerLoss

    model, rows = _prepared(args)[1::2]
    wrap(model, args.rank)
    dtype = DTYPES[args.dtype]
    for parameter in model.parameters():
        if not parameter.requires_grad and parameter.ndim == 2:
            parameter.data = parameter.data.to(dtype)
    batches = AnswerBatches(rows, args.batch, accumulate=args.parts)
    settings = OptimiserSettings("adamw", 1e-3, 1e-3, 1e-3, 1e-3)
    steps = run_steps(model, AnswerLoss(model, dtype, args.compile), Optimiser(model, settings, dtype), batches.at,
                      lambda step: 1.0, accumulate=args.parts)  # fmt: skip

    def step(number: int) -> tuple[int, float]:
        done = next(steps)
        parts = range(done.step * args.parts, (done.step + 1) * args.parts)
        return sum(int((batches.at(part).texts >= 0).sum()) for part in parts), done.loss

    torch.manual_seed(0)
    return step


def _theirs(args, packed: bool):
    import peft
    import torch
    import transformers

    from twofold.model.devices import DTYPES
    from twofold.tune.batches import AnswerBatches
    from twofold.weights.hugging_face import export_folder

    parameters, _, examples, rows = _prepared(args)
    with tempfile.TemporaryDirectory() as folder:
        export_folder(parameters, Path(folder) / "model")
        base = transformers.AutoModelForCausalLM.from_pretrained(Path(folder) / "model", dtype=DTYPES[args.dtype])
    del parameters
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "gate_proj", "down_proj"]
    model = peft.get_peft_model(base, peft.LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules=targets))
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=1e-3, weight_decay=0.0, fused=True)
    batches = AnswerBatches(rows, args.batch, accumulate=args.parts)
    each = round(len(examples) * args.batch / len(rows.ids)) // args.parts  # as many conversations as a part holds

    def part_of(number: int):
        if packed:
            batch = batches.at(number)
            from twofold.model.packed import packed as layout

            laid = layout(batch.texts)
            labels = torch.where(batch.learned, batch.ids[:, 1:], -100)
            # their labels are shifted by one: position i is scored against label i + 1
            shifted = torch.cat((torch.full_like(labels[:, :1], -100), labels[:, :-1]), 1)
            return {"input_ids": batch.ids[:, :-1], "position_ids": laid.positions, "labels": shifted,
                    "attention_mask": laid.visible}, int((batch.texts >= 0).sum())  # fmt: skip
        chosen = [examples[(number * each + i) % len(examples)] for i in range(each)]
        length = max(len(one.ids) for one in chosen)
        ids = torch.zeros(each, length, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for row, one in enumerate(chosen):
            n = len(one.ids)
            ids[row, :n], mask[row, :n] = torch.from_numpy(one.ids).long(), 1
            labels[row, :n] = torch.where(torch.from_numpy(one.own), ids[row, :n], -100)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}, int(mask.sum())

    def step(number: int) -> tuple[int, float]:
        total, summed = 0, 0.0
        for k in range(args.parts):
            inputs, tokens = part_of(number * args.parts + k)
            loss = model(**inputs).loss / args.parts
            loss.backward()
            total, summed = total + tokens, summed + loss.item()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return total, summed

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"rank": 8, "context": 256, "batch": 4, "parts": 2, "rounds": 5, "threads": 2}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="ours alone")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.contender:
        serve(args.contender, args)
        return
    own = [value for name in [*defaults, "dtype"] for value in (f"--{name}", str(getattr(args, name)))]
    own += ["--compile" if args.compile else "--no-compile"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    processes = {
        name: subprocess.Popen([sys.executable, __file__, "--contender", name, *own], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env=environment)
        for name in CONTENDERS
    }  # fmt: skip
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for number in range(args.rounds + 1):
        for name, process in processes.items():
            assert process.stdin and process.stdout
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            turns[name].append(json.loads(process.stdout.readline()))
    for process in processes.values():
        process.communicate()
    result = _summary(turns)
    if args.json:
        print(json.dumps(result, indent=2))
        return
    for name in CONTENDERS:
        one = result[name]
        print(f"{name:>8}  {one['tokens_per_second']:8.0f} tokens a second   {one['memory_gb']:5.2f} GB   "
              f"first losses {', '.join(f'{loss:.4f}' for loss in one['losses'][:3])}")  # fmt: skip
    for name, ratio in result["ratios"].items():
        print(f"ours / {name}: {ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})")


def _summary(turns: dict[str, list[dict[str, float]]]) -> dict[str, dict]:
    """The first turn of each sets up, and is left out of the rates."""
    result: dict[str, dict] = {
        name: {"tokens_per_second": statistics.median(turn["rate"] for turn in of[1:]),
               "memory_gb": of[-1]["memory"] / 1e9, "losses": [turn["loss"] for turn in of]}
        for name, of in turns.items()
    }  # fmt: skip
    result["ratios"] = {}
    for name in CONTENDERS[1:]:
        pairs = zip(turns["ours"][1:], turns[name][1:], strict=True)
        ratios = [ours["rate"] / theirs["rate"] for ours, theirs in pairs]
        result["ratios"][name] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return result


if __name__ == "__main__":
    main()
