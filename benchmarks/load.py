"""What many clients at once get: streams of chat answers from one server, for a minute.

    python benchmarks/load.py [MODEL] [--streams 32 --seconds 60 --tokens 64 --slots 16 --remember 256 --url http://…]

Starts `twofold serve MODEL` (smollm2-135m where none is named) and asks it from a process of its own, over real
connections; with --url it asks a server that is there already (of ours, or any that speaks OpenAI's protocol). Each
stream asks anew as soon as it is answered, with one of several questions of different length and with a seed of its
own. Reported are failures; the median and the 99th percentile of the time to the first token and between two tokens;
how many answers the stream that got least and the one that got most had (nobody may starve); and the server's memory:
before, in every quarter, and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

QUESTIONS = (
    "What is the capital of France?",
    "Write a short story about a fox and a bear who share a river.",
    "Explain to a child why the sky is blue, and why it is red in the evening. " * 4,
    "Name three fruits.",
    "Here is a text, repeated: the quick brown fox jumps over the lazy dog. " * 16 + "What is it about?",
)
CALM_SECONDS = 10  # of asking before anything is counted


@dataclass
class Stream:
    """What one client saw. Seconds."""

    answers: int = 0
    tokens: int = 0
    first: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def ask(url: str, model: str, question: str, seed: int, n: int, seen: Stream) -> None:
    """One answer, read as it comes."""
    where = urlsplit(url)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": question}], "stream": True,
                       "max_tokens": n, "seed": seed}).encode()  # fmt: skip
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n")  # fmt: skip
    begun = latest = time.perf_counter()
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 20)
    try:
        writer.write(head.encode() + body)
        status = await reader.readline()
        if b" 200 " not in status:
            raise OSError(status.decode().strip())
        first = True
        async for line in reader:
            if line.startswith(b"data: [DONE]"):
                seen.answers += 1
                return
            if b'"error"' in line:
                raise OSError(line.decode().strip()[:200])
            if not line.startswith(b"data: ") or not json.loads(line[6:])["choices"][0]["delta"].get("content"):
                continue
            now = time.perf_counter()
            (seen.first if first else seen.between).append(now - (begun if first else latest))
            latest, first = now, False
            seen.tokens += 1
        raise OSError("the connection ended before the answer")
    finally:
        writer.close()


async def client(url: str, model: str, number: int, end: float, n: int, seen: Stream) -> None:
    turn = 0
    while time.perf_counter() < end:
        question = QUESTIONS[(number + turn) % len(QUESTIONS)]
        try:
            await ask(url, model, question, number * 1000 + turn, n, seen)
        except (OSError, ValueError) as error:
            seen.failures.append(str(error))
            await asyncio.sleep(0.1)
        turn += 1


async def load(url: str, model: str, streams: int, seconds: float, n: int) -> list[Stream]:
    seen = [Stream() for _ in range(streams)]
    end = time.perf_counter() + seconds
    await asyncio.gather(*(client(url, model, number, end, n, one) for number, one in enumerate(seen)))
    return seen


def resident(pid: int | None) -> int | None:
    """Bytes of memory that a process has."""
    if pid is None:
        return None
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return int(told) * 1024 if told else None


async def measured(url: str, model: str, options: argparse.Namespace, pid: int | None) -> dict[str, object]:
    await load(url, model, options.streams, CALM_SECONDS, options.tokens)
    memory = [resident(pid)]

    async def watch() -> None:
        for _ in range(4):
            await asyncio.sleep(options.seconds / 4)
            memory.append(resident(pid))

    begun = time.perf_counter()
    seen, _ = await asyncio.gather(load(url, model, options.streams, options.seconds, options.tokens), watch())
    took = time.perf_counter() - begun
    first = sorted(seconds for one in seen for seconds in one.first)
    between = sorted(seconds for one in seen for seconds in one.between)
    answers = [one.answers for one in seen]
    return {
        "model": model, "streams": options.streams, "seconds": took, "answers": sum(answers),
        "failures": [failure for one in seen for failure in one.failures],
        "tokens_per_second": sum(one.tokens for one in seen) / took,
        "first_token_seconds": {"p50": at(first, 0.5), "p99": at(first, 0.99), "most": first[-1] if first else None},
        "between_tokens_seconds": {"p50": at(between, 0.5), "p99": at(between, 0.99),
                                   "most": between[-1] if between else None},
        "answers_of_a_stream": {"least": min(answers), "median": statistics.median(answers), "most": max(answers)},
        "memory_bytes": memory,
    }  # fmt: skip


def at(values: list[float], share: float) -> float | None:
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


@contextmanager
def server(model: str, slots: int, remember: int) -> Iterator[tuple[str, int]]:
    """A server of our own: its address and its process."""
    options = ["--port", "0", "--slots", str(slots), "--remember", str(remember), "--json", "--quiet"]
    command = [sys.executable, "-m", "twofold", "serve", model, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        told = ""
        for line in process.stdout or ():
            told += line
            if line.startswith("}"):
                break
        if not told.rstrip().endswith("}"):
            sys.exit("the server did not start")
        yield json.loads(told)["url"], process.pid
    finally:
        process.terminate()
        process.wait(60)


def first_model(url: str) -> str:
    import urllib.request

    with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as answer:
        name: str = json.load(answer)["data"][0]["id"]
        return name


def processor() -> str:
    told = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", told.read_text("utf-8")) if told.exists() else None
    return f"{found[1] if found else platform.processor() or 'unknown processor'}, {os.cpu_count()} cores"


def show(figures: dict[str, object]) -> None:
    def ms(value: float | None) -> str:
        return "–" if value is None else f"{value * 1000:,.0f} ms"

    first, between, shares = (figures[name] for name in
                              ("first_token_seconds", "between_tokens_seconds", "answers_of_a_stream"))
    memory = " → ".join("–" if one is None else f"{one / 1e6:.1f}" for one in figures["memory_bytes"])
    print(f"{figures['machine']}; {figures['streams']} streams, {figures['seconds']:.0f} s, {figures['model']}")
    print(f"answers          {figures['answers']}, failed {len(figures['failures'])}")
    print(f"tokens           {figures['tokens_per_second']:,.0f} a second, all together")
    print(f"first token      p50 {ms(first['p50'])}, p99 {ms(first['p99'])}, most {ms(first['most'])}")
    print(f"between tokens   p50 {ms(between['p50'])}, p99 {ms(between['p99'])}, most {ms(between['most'])}")
    print(f"answers a stream {shares['least']} to {shares['most']}, median {shares['median']:g}")
    print(f"memory, MB       {memory}")
    for failure in figures["failures"][:5]:
        print(f"failed: {failure}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer, at most")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--remember", type=int, default=256, help="megabytes of what was read; memory grows by as much")
    parser.add_argument("--url", help="a server that is there already")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.url:
        figures = asyncio.run(measured(options.url, first_model(options.url), options, None))
    else:
        with server(options.model, options.slots, options.remember) as (url, pid):
            figures = asyncio.run(measured(url, first_model(url), options, pid))
    figures["machine"] = processor()
    print(json.dumps(figures, indent=2)) if options.json else show(figures)
    sys.exit(1 if figures["failures"] else 0)


if __name__ == "__main__":
    main()
