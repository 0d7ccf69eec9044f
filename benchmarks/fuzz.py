"""How many damaged and hostile files can be opened with nothing but named refusals and usable models coming of it?

    python benchmarks/fuzz.py --minutes 5 --seed 1
    python benchmarks/fuzz.py --minutes 60 --only run.c      run.c under AddressSanitizer and UBSan, and nothing else

Prints one JSON object: files tried by kind, how many were accepted, the slowest (in seconds of the processor), the
peak memory, and every failure (its file is kept). Leaves with 1 if there was one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.run.hostile import hostile
from tests.weights.mutations import damaged, targets

from twofold.engine.native_build import compiler


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where files that failed go")
    parser.add_argument("--only", default="", help="kinds of file whose name has this in it")
    options = parser.parse_args()

    tried: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    failures: list[dict[str, str]] = []
    slowest = {"seconds": 0.0, "kind": ""}
    with tempfile.TemporaryDirectory() as folder:
        kinds = [*targets(Path(folder)), *(hostile(Path(folder))[:1] if compiler() else ())]
        kinds = [kind for kind in kinds if options.only in kind.name]
        streams = [damaged(target, random.Random(f"{options.seed} {target.name}")) for target in kinds]
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end:
            for target, stream in zip(kinds + kinds[:1] * 7, streams + streams[:1] * 7, strict=True):  # most are GGUF
                content, start = next(stream), time.process_time()
                tried[target.name] += 1
                try:
                    accepted[target.name] += target.attempt(content)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # a panic of a compiled library is not an Exception
                    options.keep.mkdir(exist_ok=True)
                    kept = options.keep / f"{tried[target.name]}-{target.name}"
                    kept.write_bytes(content)
                    failures.append({"file": str(kept), "error": f"{type(error).__name__}: {error!s:.200}"})
                seconds = time.process_time() - start
                if seconds > slowest["seconds"]:
                    slowest = {"seconds": round(seconds, 3), "kind": target.name}
    print(json.dumps({"files": tried.total(), "accepted": accepted.total(), "tried_by_kind": tried,
                      "accepted_by_kind": accepted, "slowest": slowest, "peak_memory_bytes": peak_memory(),
                      "failures": failures}, indent=2))  # fmt: skip
    return 1 if failures else 0


def peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.exit(main())
