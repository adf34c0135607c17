"""The whole of it once, with few of everything; nothing here says how long it may take."""

from bench.questions.calm import LONG_EACH, LONG_EVENTS, QUESTION, SHORT_EVENTS, Calm, answer


def test_all_are_told_everybody_else_is_answered_and_the_sleepers_are_there() -> None:
    found = answer(
        Calm(watchers=300, connections=120, watched=2, sleepers=200, settle=0.1, idle=0.1), lambda text, share: None
    )
    results = found.results
    assert (results["close_watchers"], results["sign_out_connections"], results["sleepers"]) == (300, 120, 200)
    long = 200 // LONG_EACH
    assert results["timers"] == long + 1, "of the long ones, and of their model"
    assert results["events"] >= (200 - long + 1) * SHORT_EVENTS + (long + 1) * LONG_EVENTS
    assert results["close_delay_ms"] > 0 and results["sign_out_delay_ms"] > 0
    assert not [doubt for doubt in found.warnings if "refused" in doubt]
    assert set(QUESTION.figures) <= set(results)
