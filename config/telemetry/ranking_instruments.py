"""What is counted of ranking: as in instruments.py, plain numbers that feeds raise in passing.

Models are files that a process reads once, whoever ranks by them, and so these numbers are the process's: `RANKING`,
which every node in it shows. Versions come and go with files: past MODELS_MAX of them, further ones are counted
together as "other".
"""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeVar, get_args

from greenroom.config.telemetry.instruments import OTHER, Histogram, Metric, durations

Label = TypeVar("Label", tuple[str], tuple[str, str])

Failure = Literal["model", "scores", "features"]
MODELS_MAX: Final = 100  # versions, and arms with each of them, that are told apart


@dataclass(slots=True, kw_only=True)
class RankingInstruments:
    """The numbers of one process's ranking. `model` is a version, `light` where there is none."""

    ranked_page_s: Annotated[
        Histogram, Metric("histogram", "what a page of a ranked home feed took, with all that was read for it")
    ] = field(default_factory=durations)
    ranked_order_s: Annotated[
        Histogram, Metric("histogram", "what putting the posts of one feed in order took, scores and all")
    ] = field(default_factory=durations)
    ranked_feeds: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "counter",
            "home feeds that were put in order anew, by the model and the arm of an experiment",
            labels=("model", "experiment"),
        ),
    ] = field(default_factory=dict)
    ranked_posts: Annotated[
        dict[tuple[str], int], Metric("counter", "posts that were scored, by the model", labels=("model",))
    ] = field(default_factory=dict)
    ranking_exposures: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "counter",
            "posts of ranked pages that their readers have seen, by what has put them there",
            labels=("model", "experiment"),
        ),
    ] = field(default_factory=dict)
    ranking_models: Annotated[
        dict[tuple[str, str], int],
        Metric("gauge", "1 for the version that is in use of each model file", labels=("file", "model")),
    ] = field(default_factory=dict)
    ranking_unusable: Annotated[
        dict[tuple[str, str], int],
        Metric(
            "gauge",
            "1 for a model file that can't be used now (`model`), or does not score (`scores`); else there is none",
            look="ever: feeds are in a worse order until another file is in its place",
            labels=("file", "what"),
        ),
    ] = field(default_factory=dict)
    ranking_failures: Annotated[
        dict[tuple[str], int],
        Metric(
            "counter",
            "what ranking did without: `model`, a file that can't be used; `scores` that a model did not give; "
            "`features`, what is known of a reader",
            look="`model` or `scores` ever, the others for more than a few pages: feeds are in a worse order",
            labels=("what",),
        ),
    ] = field(default_factory=lambda: {(what,): 0 for what in get_args(Failure)})  # or the first were no increase

    def ordered(self, model: str, experiment: str, *, posts: int, seconds: float) -> None:
        """A feed was."""
        self.ranked_order_s.record(seconds)
        _raise(self.ranked_feeds, (model, experiment), (OTHER, OTHER))
        _raise(self.ranked_posts, (model,), (OTHER,), posts)

    def exposed(self, model: str, experiment: str) -> None:
        """Somebody has seen a post."""
        _raise(self.ranking_exposures, (model, experiment), (OTHER, OTHER))

    def failed(self, what: Failure) -> None:
        self.ranking_failures[what,] += 1

    def uses(self, file: str, model: str) -> None:
        """From now on feeds are ranked by that version of the file, given by its path; "": by none."""
        for key in [key for key in self.ranking_models if key[0] == file]:
            del self.ranking_models[key]
        if model:
            self.ranking_models[file, model] = 1

    def lacks(self, file: str, what: Literal["model", "scores"], *, is_so: bool) -> None:
        """Is that file without?"""
        if is_so:
            self.ranking_unusable[file, what] = 1
        else:
            self.ranking_unusable.pop((file, what), None)


RANKING: Final = RankingInstruments()


def _raise(counts: dict[Label, int], label: Label, other: Label, by: int = 1) -> None:
    if label not in counts and len(counts) >= MODELS_MAX:
        label = other
    counts[label] = counts.get(label, 0) + by
