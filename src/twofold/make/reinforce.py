"""`reinforce`, the table of contents: a model and a reward in, a model that earns more of it in two files out.

    model -> what is asked -> training (answers, rewards, a step, again) -> two files -> measures

    RUN/reinforce.json       all that decides the run          RUN/log.jsonl       what happened, step by step
    RUN/parameters.gguf      the first file, merged            RUN/checkpoints     where to go on from
    RUN/run.py, RUN/run.c    the second file                   RUN/results.json    what was reached
    RUN/adapter.safetensors  with a rank: what was learned, by itself

An unfinished run goes on from its last checkpoint to the losses that it would have had.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from twofold import __version__
from twofold.agent.offering import offered
from twofold.atomic import atomic_write
from twofold.errors import ConfigError
from twofold.make import stage
from twofold.make.observer import Observer
from twofold.make.policy import PolicyRun
from twofold.make.recipe import MachineSettings
from twofold.make.tasks import asked, reward_of
from twofold.tune.reinforce_settings import ReinforceSettings
from twofold.tune.rewards import Reward
from twofold.weights import adapters
from twofold.weights.locate import PARAMETERS, locate
from twofold.weights.parameters import Parameters, load

__all__ = ["reinforce"]

_WISHES = "reinforce.json"


def reinforce(
    model: str, settings: ReinforceSettings, machine: MachineSettings, folder: Path, observer: Observer,
    reward: Reward | None = None,
) -> dict[str, Any]:
    """Learn from rewards in `folder`; return the results. A `reward` of the caller's stands for the one of that name.

    Raises ConfigError when the folder holds another run or the choices do not fit the model, TwofoldError for a reward
    that is no number or a model that has moved too far, and Interrupted after Ctrl-C.
    """
    stage.alone(machine)
    path = locate(model)
    base = adapters.fingerprint(path)
    data = _files(settings)
    begun = stage.begun(folder / _WISHES, stage.wishes(settings, base, data))

    observer.stage("model", str(path))
    parameters = load(path)
    settings = _resolved(settings, parameters)
    engine = stage.engine_of(parameters)
    tools = offered(settings.tools, engine)
    judge = reward or reward_of(settings.reward)
    tasks = asked(settings.reward, settings.prompts, settings.seed)
    held = tasks.held(settings.measured)
    words = f"{settings.reward}" + (f", with {', '.join(tool.name for tool in tools)}" if tools else "")
    observer.stage("reward", f"{words}; measured on {len(held)} prompts")

    observer.stage("machine", "measuring this machine")
    found = stage.measured(stage.as_begun(machine, begun))
    decoder = stage.learning(engine, settings.rank, settings.alpha, settings.seed, found)
    stage.begin(folder / _WISHES, stage.wishes(settings, base, data), found)

    run = PolicyRun(decoder, engine, settings, tasks, judge, held, tools, folder, found, observer,
                    machine.save_seconds)  # fmt: skip
    time = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
    observer.stage("training", f"{time}, {stage.what_learns(run.model)}, answers by {run.writer.backend.name}")
    before, after = run.go()

    observer.stage("two files", f"{folder / PARAMETERS} and run.py")
    lineage = {"code": __version__, "parents": [{"sha256": base, "lineage": parameters.lineage}],
               "reinforcement": dataclasses.asdict(settings), "tools": parameters.lineage.get("tools", [])}  # fmt: skip
    written = stage.write_files(decoder, load(path), bool(settings.rank), base, lineage, folder)
    results = {
        "name": folder.name, "code_version": __version__, "base": {"path": str(path), "sha256": base},
        "settings": dataclasses.asdict(settings), "machine": found.to_dict(), "files": written,
        "steps": run.course.step, "training_seconds": run.course.clock.spent,
        "learned_parameters": sum(p.numel() for p in run.model.parameters() if p.requires_grad),
        "held_out": {"before": before, "after": after},
    }  # fmt: skip
    atomic_write(folder / "results.json", json.dumps(results, indent=1))
    return results


def _files(settings: ReinforceSettings) -> tuple[str, ...]:
    """What the run depends on beside the model: prompts, a suite, a reward model's two files."""
    reward = Path(settings.reward)
    inside = [str(one) for one in sorted(reward.glob("*")) if one.suffix in (".gguf", ".safetensors")]
    return (settings.prompts, settings.reward, *(inside if reward.is_dir() else []))


def _resolved(settings: ReinforceSettings, parameters: Parameters) -> ReinforceSettings:
    """With what was left open decided by the model's size."""
    policy = settings.policy
    if policy.longest >= parameters.config.context:
        raise ConfigError(f"answers of {policy.longest} tokens leave no room for a prompt in the model's context of "
                          f"{parameters.config.context}; give a smaller --longest")  # fmt: skip
    large = sum(array.size for array in parameters.state.values()) > stage.LARGE
    lr = settings.lr or (2e-4 if settings.rank else 2e-6 if large else 3e-4)
    return dataclasses.replace(settings, lr=lr)
