"""Any sequence of commands on a session keeps its promises: states never go back, no frame twice or unaccounted, no hang.

Not here: particular scenarios.
"""

import clips
import pytest
from conftest import LOCAL, WHOLE, Stopwatch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from framewire import InferenceHTTPClient
from framewire.errors import SessionClosedError
from framewire.webrtc import SessionState, StreamConfig, VideoFileSource

FRAMES = 12
ORDER = [SessionState.NOT_STARTED, SessionState.STARTED, SessionState.CLOSED]
# A step that takes longer than this hangs; two seconds are promised, and a machine may be loaded.
STEP_LIMIT = 20.0


def machine(url, clip):
    client = InferenceHTTPClient.init(url)

    class Commands(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            config = StreamConfig(stream_output=["image"], turn_server=LOCAL)
            self.session = client.webrtc.stream(VideoFileSource(clip), workflow=WHOLE, config=config)
            self.frames = None
            self.taken = []
            self.told = []
            self.latest = 0
            self.closed = False
            self.paused = False
            self.discarded = False

        def timed(self, call):
            watch = Stopwatch()
            try:
                return call()
            finally:
                assert watch.seconds < STEP_LIMIT

        def refused_when_closed(self, call):
            if self.closed:
                with pytest.raises(SessionClosedError):
                    self.timed(call)
                return False
            self.timed(call)
            return True

        @rule()
        def start(self):
            self.refused_when_closed(self.session.start)

        @rule(count=st.integers(1, 4))
        @precondition(lambda self: not self.paused)
        def take_frames(self, count):
            if self.frames is None:
                self.frames = self.session.video()
                if self.closed:
                    with pytest.raises(SessionClosedError):
                        next(self.frames)
                    self.frames = None
                    return
            for _ in range(count):
                item = self.timed(lambda: next(self.frames, None))
                if item is None:
                    assert self.closed or self.discarded or len(self.taken) == FRAMES
                    return
                assert not self.closed
                assert item[0].shape == (64, 96, 3)
                self.taken.append(item[1].frame_id)

        @rule()
        def listen(self):
            self.session.on_data(lambda data, metadata: self.told.append(metadata.frame_id))

        @rule(fails=st.booleans())
        def listen_to_a_field(self, fails):
            @self.session.on_data("image")
            def handler(value):
                if fails:
                    raise ValueError("on purpose")

        @rule()
        def pause(self):
            self.paused = self.refused_when_closed(self.session.pause) or self.paused

        @rule()
        def resume(self):
            if self.refused_when_closed(self.session.resume):
                self.paused = False

        @rule(names=st.sampled_from([["*"], ["image"], []]))
        def reconfigure(self, names):
            self.refused_when_closed(lambda: self.session.reconfigure(data_output=names))

        @rule()
        def wait_a_moment(self):
            def wait():
                try:
                    self.session.wait(timeout=0.01)
                except TimeoutError:
                    pass

            # What waiting discards nobody else gets.
            self.discarded = self.refused_when_closed(wait) or self.discarded

        @rule()
        def look(self):
            self.timed(self.session.stats)
            assert len(self.timed(self.session.errors)) <= 256
            assert self.session.paused == self.paused

        @rule()
        def close(self):
            self.timed(self.session.close)
            self.closed = True

        @invariant()
        def states_never_go_back(self):
            now = ORDER.index(self.session.state)
            assert now >= self.latest
            self.latest = now
            assert (self.session.state is SessionState.CLOSED) == self.closed

        @invariant()
        def frames_come_once_and_in_order(self):
            assert self.taken == sorted(set(self.taken))
            if not self.discarded:
                assert self.taken == list(range(1, len(self.taken) + 1))
            told = list(self.told)
            assert told == sorted(told)

        @invariant()
        def every_frame_is_accounted_for(self):
            counts = self.session.stats().get("frames")
            if counts:
                assert counts["received"] == counts["delivered"] + counts["dropped_after_receipt"] + counts["queued"]
                assert counts["delivered"] >= len(self.taken)

        def teardown(self):
            self.timed(self.session.close)
            counts = self.session.stats().get("frames")
            if counts:
                assert counts["received"] == counts["delivered"] + counts["dropped_after_receipt"]
                assert counts["queued"] == 0

    return Commands


@pytest.mark.timeout(240)
def test_any_sequence_of_commands_keeps_the_promises(worker, tmp_path):
    clip = clips.write(tmp_path / "commands.mp4", FRAMES)
    run_state_machine_as_test(
        machine(worker.url, clip),
        settings=settings(
            max_examples=60,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
