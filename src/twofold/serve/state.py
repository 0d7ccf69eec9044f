"""What every endpoint has at hand: settings, models, the meter, the digits, what is looked into, the labels' desk."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from twofold.serve.desk import Desk
from twofold.serve.exhibit import Exhibit
from twofold.serve.inside_models import Inside
from twofold.serve.metrics import Meter
from twofold.serve.settings import Settings
from twofold.serve.shelf import Shelf

__all__ = ["State", "state_of"]


@dataclass
class State:
    settings: Settings
    shelf: Shelf
    meter: Meter = field(default_factory=Meter)
    exhibit: Exhibit = field(default_factory=Exhibit)
    inside: Inside = field(default_factory=Inside)
    desk: Desk | None = None  # where labels are kept


def state_of(request: Request) -> State:
    state: State = request.app.state.twofold
    return state
